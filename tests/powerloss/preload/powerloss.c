/* The power-loss library, preloaded under a process whose files shall be lost.
 *
 * It owns: for every regular file below POWERLOSS_DIR, the record of what each change overwrote
 * (undo.c), written before the change; and what became of every fsync and fdatasync. After the
 * process was killed, loss/restore.rs puts back what no sync had covered.
 *
 * Settings (environment):
 *   POWERLOSS_DIR              the folder watched; must exist
 *   POWERLOSS_UNDO             folder of the undo log, outside POWERLOSS_DIR, same file system
 *   POWERLOSS_FAIL_SYNC_AFTER  N: the N+1th sync answers EIO, once; see sync_file
 *   POWERLOSS_SKIP_SYNC        1: syncs do nothing and say they did (the mutation)
 *   POWERLOSS_CONTROL          a file; while it begins with "fail" syncs answer EIO, while it
 *                              begins with "hang" they wait, while it begins with "no space" see
 *                              POWERLOSS_NO_SPACE
 *   POWERLOSS_NO_SPACE         a text in the paths of files; writes that would grow them answer
 *                              ENOSPC while the control file says so
 *
 * Invariants:
 * 1. A change to a watched file is seen whoever issues the call (trap.c), and record and change
 *    happen under one lock, so the log's order is the files' order.
 * 2. A sync covers the changes that ended before it began, of that file only; sync_file_range,
 *    sync and syncfs cover nothing.
 * 3. A failed sync spoils what it should have covered for good: later syncs do not cover it.
 * 4. What cannot be tracked (writable shared mappings, io_uring, aio, renamed folders, symbolic
 *    links, moves across the folder's edge, O_TMPFILE) ends the process.
 *
 * Never: changes what a call answers, except a sync's or a write's when told; guesses what a disk would keep.
 */
#define _GNU_SOURCE
#include "powerloss.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char dir[PATH_MAX], control[PATH_MAX], no_space[NAME_MAX];
static size_t dir_len;
static dev_t dir_dev;
static int skip_sync;
static long fail_sync_after = -1, sync_count;

#define RAW(nr, a) pl_raw((nr), (a)[0], (a)[1], (a)[2], (a)[3], (a)[4], (a)[5])

/* The canonical path of a name, in out; 1 when it is below the watched folder. The name itself
 * need not exist. A name whose folder does not exist is nobody's: the call will fail by itself. */
static int inside(int at, const char *path, char out[PATH_MAX]) {
    char joined[PATH_MAX], link[64];
    size_t base_len = 0;
    if (path == NULL)
        return 0;
    if (path[0] != '/' && at != AT_FDCWD) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        ssize_t n = readlink(link, joined, PATH_MAX - 2);
        if (n < 0)
            return 0;
        joined[n] = '/';
        base_len = (size_t)n + 1;
    }
    if (base_len + strlen(path) >= PATH_MAX)
        return 0;
    strcpy(joined + base_len, path);
    size_t end = strlen(joined);
    while (end > 1 && joined[end - 1] == '/')
        joined[--end] = '\0';
    char *slash = strrchr(joined, '/'), *name = slash ? slash + 1 : joined;
    char kept[NAME_MAX + 1];
    if (strlen(name) > NAME_MAX || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return 0;
    strcpy(kept, name);
    if (slash)
        *(slash == joined ? slash + 1 : slash) = '\0';
    if (realpath(slash ? joined : ".", out) == NULL)
        return 0;
    size_t len = strlen(out);
    if (len < dir_len || strncmp(out, dir, dir_len) != 0
        || (out[dir_len] != '\0' && out[dir_len] != '/'))
        return 0;
    if (len + 1 + strlen(kept) >= PATH_MAX)
        die("path too long", out);
    out[len] = '/';
    strcpy(out + len + 1, kept);
    return 1;
}

/* 1 and the file's stat when the descriptor is a watched regular file. Lock held. */
static int is_watched(int fd, struct stat *st) {
    return fstat(fd, st) == 0 && S_ISREG(st->st_mode) && st->st_dev == dir_dev
        && watched_fd(st) >= 0;
}

/* 1 when the descriptor cannot be a watched file: asked first and without the lock, as most
 * writes go to sockets and pipes. */
static int is_foreign(int fd) {
    struct stat st;
    return fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_dev != dir_dev;
}

/* The control file's first letter: 'f'ail, 'h'ang, 'n'o space, or anything else for a working
 * disk. */
static char control_word(void) {
    char word = 0;
    if (control[0] == '\0')
        return 0;
    long fd = pl_raw(SYS_openat, AT_FDCWD, (long)control, O_RDONLY | O_CLOEXEC, 0, 0, 0);
    if (fd < 0)
        return 0;
    if (read((int)fd, &word, 1) != 1)
        word = 0;
    close((int)fd);
    return word;
}

/* --- bytes ----------------------------------------------------------------------------------- */

/* 1 when a watched file would grow up to end and the disk is said to have no space for it. */
static int lacks_space(int fd, const struct stat *st, uint64_t end) {
    char link[64], path[PATH_MAX];
    if (no_space[0] == '\0' || end <= (uint64_t)st->st_size || control_word() != 'n')
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, PATH_MAX - 1);
    path[len < 0 ? 0 : len] = '\0';
    return strstr(path, no_space) != NULL;
}

/* A write of len bytes at offset, or at the descriptor's own position when offset is -1. */
static long write_like(long nr, const long *a, int fd, int64_t offset, uint64_t len) {
    struct stat st;
    if (is_foreign(fd))
        return RAW(nr, a);
    pthread_mutex_lock(&lock);
    if (is_watched(fd, &st)) {
        if (fcntl(fd, F_GETFL) & O_APPEND)
            offset = st.st_size;
        else if (offset < 0)
            offset = lseek(fd, 0, SEEK_CUR);
        if (offset >= 0 && lacks_space(fd, &st, (uint64_t)offset + len)) {
            pthread_mutex_unlock(&lock);
            return -ENOSPC;
        }
        if (offset >= 0)
            note_write(&st, (uint64_t)offset, len);
    }
    long result = RAW(nr, a);
    pthread_mutex_unlock(&lock);
    return result;
}

static uint64_t total_of(const struct iovec *parts, long count) {
    uint64_t total = 0;
    for (long i = 0; i < count; i++)
        total += parts[i].iov_len;
    return total;
}

/* Copies whose length is bounded by their source only: cut to what one record round may hold. */
static long copy_like(long nr, const long *a, int fd, const int64_t *offset, int length_at) {
    long cut[6];
    memcpy(cut, a, sizeof cut);
    if (!is_foreign(fd) && (uint64_t)cut[length_at] > (uint64_t)1 << 20)
        cut[length_at] = 1 << 20;
    return write_like(nr, cut, fd, offset ? *offset : -1, (uint64_t)cut[length_at]);
}

static long resize(long nr, const long *a, int fd, const char *path, uint64_t size) {
    struct stat st;
    char full[PATH_MAX];
    pthread_mutex_lock(&lock);
    if (path != NULL) {
        if (inside(AT_FDCWD, path, full) && lstat(full, &st) == 0 && S_ISREG(st.st_mode)) {
            watch(full, &st);
            note_truncate(&st, size);
        }
    } else if (is_watched(fd, &st)) {
        note_truncate(&st, size);
    }
    long result = RAW(nr, a);
    pthread_mutex_unlock(&lock);
    return result;
}

static long allocate(const long *a) {
    struct stat st;
    pthread_mutex_lock(&lock);
    if (is_watched((int)a[0], &st)) {
        uint64_t end = (uint64_t)a[2] + (uint64_t)a[3];
        if (a[1] & ~FALLOC_FL_KEEP_SIZE)
            die("fallocate that changes bytes", "not tracked");
        if (a[1] == 0 && end > (uint64_t)st.st_size)
            undo_record(REC_TRUNCATE, st.st_ino, (uint64_t)st.st_size, end, 0, NULL, 0);
    }
    long result = RAW(SYS_fallocate, a);
    pthread_mutex_unlock(&lock);
    return result;
}

/* --- names ----------------------------------------------------------------------------------- */

static long open_like(long nr, const long *a, int at, const char *path, int flags) {
    struct stat st;
    char full[PATH_MAX];
    if (!(flags & (O_CREAT | O_TRUNC | O_WRONLY | O_RDWR)))
        return RAW(nr, a);
    pthread_mutex_lock(&lock);
    long result;
    if ((flags & O_TMPFILE) == O_TMPFILE || !inside(at, path, full)) {
        if ((flags & O_TMPFILE) == O_TMPFILE && realpath(path, full)
            && strncmp(full, dir, dir_len) == 0)
            die("O_TMPFILE in the watched folder", full);
        result = RAW(nr, a);
    } else if (lstat(full, &st) == 0) {
        if (S_ISLNK(st.st_mode))
            die("symbolic link in the watched folder", full);
        if (S_ISREG(st.st_mode) && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL)) {
            watch(full, &st);
            if ((flags & O_TRUNC) && st.st_size > 0)
                note_truncate(&st, 0);
        }
        result = RAW(nr, a);
    } else {
        uint64_t index = 0;
        if (flags & O_CREAT)
            index = undo_record(REC_ENTRY, 0, 0, 0, 0, full, strlen(full));
        result = RAW(nr, a);
        if (result >= 0 && fstat((int)result, &st) == 0 && S_ISREG(st.st_mode)) {
            watch(full, &st);
            undo_record(REC_BIND, st.st_ino, index, 0, 0, NULL, 0);
        }
    }
    pthread_mutex_unlock(&lock);
    return result;
}

/* Whether two paths are both inside; dies when just one is. Paths outside stay untouched. */
static int both_inside(int at, const char *from, int to_at, const char *to,
                       char full[PATH_MAX], char to_full[PATH_MAX]) {
    int in = inside(at, from, full), to_in = inside(to_at, to, to_full);
    if (in != to_in)
        die("name moved across the watched folder's edge", in ? full : to_full);
    return in;
}

static long rename_like(long nr, const long *a, int at, const char *from, int to_at,
                        const char *to, unsigned flags) {
    struct stat st, over;
    char pair[2 * PATH_MAX], to_full[PATH_MAX];
    pthread_mutex_lock(&lock);
    if (both_inside(at, from, to_at, to, pair, to_full) && lstat(pair, &st) == 0) {
        int exists = lstat(to_full, &over) == 0;
        if (!S_ISREG(st.st_mode) || (flags & RENAME_EXCHANGE))
            die("rename of other than a plain file", pair);
        if (!exists || (S_ISREG(over.st_mode) && !(flags & RENAME_NOREPLACE))) {
            watch(pair, &st);
            if (exists)
                watch(to_full, &over);
            size_t len = strlen(pair) + 1;
            strcpy(pair + len, to_full);
            undo_record(REC_RENAME, st.st_ino, exists ? over.st_ino : 0, 0, 0, pair,
                        len + strlen(to_full));
        }
    }
    long result = RAW(nr, a);
    pthread_mutex_unlock(&lock);
    return result;
}

static long link_like(long nr, const long *a, int at, const char *from, int to_at,
                      const char *to) {
    struct stat st, over;
    char full[PATH_MAX], to_full[PATH_MAX];
    pthread_mutex_lock(&lock);
    if (both_inside(at, from, to_at, to, full, to_full) && lstat(full, &st) == 0
        && S_ISREG(st.st_mode) && lstat(to_full, &over) != 0) {
        watch(full, &st);
        undo_record(REC_ENTRY, 0, st.st_ino, 0, 0, to_full, strlen(to_full));
    }
    long result = RAW(nr, a);
    pthread_mutex_unlock(&lock);
    return result;
}

/* Removal of a name (kind REC_ENTRY), of a folder (REC_RMDIR) or making one (REC_MKDIR). */
static long name_like(long nr, const long *a, int at, const char *path, int kind) {
    struct stat st;
    char full[PATH_MAX];
    pthread_mutex_lock(&lock);
    if (inside(at, path, full)) {
        int exists = lstat(full, &st) == 0;
        if (kind == REC_ENTRY && exists && S_ISREG(st.st_mode)) {
            watch(full, &st);
            undo_record(REC_ENTRY, st.st_ino, 0, 0, 0, full, strlen(full));
        } else if ((kind == REC_MKDIR && !exists)
                   || (kind == REC_RMDIR && exists && S_ISDIR(st.st_mode))) {
            undo_record((uint64_t)kind, 0, 0, 0, 0, full, strlen(full));
        }
    }
    long result = RAW(nr, a);
    pthread_mutex_unlock(&lock);
    return result;
}

static long refuse_inside(long nr, const long *a, int at, const char *path) {
    char full[PATH_MAX];
    if (inside(at, path, full))
        die("special file or symbolic link in the watched folder", full);
    return RAW(nr, a);
}

/* --- syncs ----------------------------------------------------------------------------------- */

/* A failed sync is a trap that real disks set: the kernel calls the pages clean, so the next sync
 * succeeds and covers nothing of them. Hence EIO once, and the spoilt records stay spoilt. */
static long sync_file(long nr, const long *a) {
    struct stat st;
    char link[64], folder[PATH_MAX];
    ssize_t folder_len = 0;
    int fd = (int)a[0];
    if (is_foreign(fd) && !(fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)))
        return RAW(nr, a);
    pthread_mutex_lock(&lock);
    int mine = is_watched(fd, &st);
    if (!mine && S_ISDIR(st.st_mode)) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        folder_len = readlink(link, folder, PATH_MAX);
        mine = folder_len >= (ssize_t)dir_len && strncmp(folder, dir, dir_len) == 0;
    }
    uint64_t upto = undo_next();
    pthread_mutex_unlock(&lock);
    if (!mine)
        return RAW(nr, a);
    if (skip_sync)
        return 0;
    char word;
    struct timespec pause = {.tv_nsec = 2000000};
    while ((word = control_word()) == 'h')
        nanosleep(&pause, NULL);
    long before = __atomic_fetch_add(&sync_count, 1, __ATOMIC_SEQ_CST);
    int fails = word == 'f' || (fail_sync_after >= 0 && before == fail_sync_after);
    long result = fails ? -EIO : RAW(nr, a);
    pthread_mutex_lock(&lock);
    if (fails && folder_len == 0)
        undo_record(REC_SYNC_FAILED, st.st_ino, upto, 0, 0, NULL, 0);
    else if (result == 0 && folder_len > 0)
        undo_record(REC_DIRSYNC, 0, upto, 0, 0, folder, (size_t)folder_len);
    else if (result == 0)
        undo_record(REC_SYNC, st.st_ino, upto, nr == SYS_fdatasync, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

/* --- every caught call ------------------------------------------------------------------------ */

#define PATH(i) ((const char *)a[i])
#define IOV(i) ((const struct iovec *)a[i])

static long dispatch_names(long nr, const long *a) {
    switch (nr) {
#ifdef SYS_renameat
    case SYS_renameat: return rename_like(nr, a, (int)a[0], PATH(1), (int)a[2], PATH(3), 0);
#endif
#ifdef SYS_open
    case SYS_open: return open_like(nr, a, AT_FDCWD, PATH(0), (int)a[1]);
    case SYS_creat: return open_like(nr, a, AT_FDCWD, PATH(0), O_CREAT | O_WRONLY | O_TRUNC);
    case SYS_rename: return rename_like(nr, a, AT_FDCWD, PATH(0), AT_FDCWD, PATH(1), 0);
    case SYS_link: return link_like(nr, a, AT_FDCWD, PATH(0), AT_FDCWD, PATH(1));
    case SYS_unlink: return name_like(nr, a, AT_FDCWD, PATH(0), REC_ENTRY);
    case SYS_rmdir: return name_like(nr, a, AT_FDCWD, PATH(0), REC_RMDIR);
    case SYS_mkdir: return name_like(nr, a, AT_FDCWD, PATH(0), REC_MKDIR);
    case SYS_mknod: return refuse_inside(nr, a, AT_FDCWD, PATH(0));
    case SYS_symlink: return refuse_inside(nr, a, AT_FDCWD, PATH(1));
#endif
    case SYS_openat: return open_like(nr, a, (int)a[0], PATH(1), (int)a[2]);
    case SYS_renameat2:
        return rename_like(nr, a, (int)a[0], PATH(1), (int)a[2], PATH(3), (unsigned)a[4]);
    case SYS_linkat: return link_like(nr, a, (int)a[0], PATH(1), (int)a[2], PATH(3));
    case SYS_unlinkat:
        return name_like(nr, a, (int)a[0], PATH(1), a[2] & AT_REMOVEDIR ? REC_RMDIR : REC_ENTRY);
    case SYS_mkdirat: return name_like(nr, a, (int)a[0], PATH(1), REC_MKDIR);
    case SYS_mknodat: return refuse_inside(nr, a, (int)a[0], PATH(1));
    case SYS_symlinkat: return refuse_inside(nr, a, (int)a[1], PATH(2));
    case SYS_openat2: case SYS_io_uring_setup: case SYS_io_setup: return -ENOSYS;
    default: die("caught a call that nobody handles", "see trap.c");
    }
}

long dispatch(long nr, const long *a) {
    switch (nr) {
    case SYS_write: return write_like(nr, a, (int)a[0], -1, (uint64_t)a[2]);
    case SYS_writev: return write_like(nr, a, (int)a[0], -1, total_of(IOV(1), a[2]));
    case SYS_pwrite64: return write_like(nr, a, (int)a[0], a[3], (uint64_t)a[2]);
    case SYS_pwritev: case SYS_pwritev2:
        return write_like(nr, a, (int)a[0], a[3], total_of(IOV(1), a[2]));
    case SYS_sendfile: return copy_like(nr, a, (int)a[0], NULL, 3);
    case SYS_splice: case SYS_copy_file_range:
        return copy_like(nr, a, (int)a[2], (const int64_t *)a[3], 4);
    case SYS_ftruncate: return resize(nr, a, (int)a[0], NULL, (uint64_t)a[1]);
    case SYS_truncate: return resize(nr, a, -1, PATH(0), (uint64_t)a[1]);
    case SYS_fallocate: return allocate(a);
    case SYS_fsync: case SYS_fdatasync: return sync_file(nr, a);
    case SYS_mmap: {
        struct stat st;
        if (!is_foreign((int)a[4]) && is_watched((int)a[4], &st))
            die("shared writable mapping of a watched file", "not tracked");
        return RAW(nr, a);
    }
    case SYS_ioctl:
        if (!is_foreign((int)a[0]))
            die("cloned extents", "not tracked");
        return RAW(nr, a);
    default: return dispatch_names(nr, a);
    }
}

__attribute__((constructor)) static void start(void) {
    const char *folder = getenv("POWERLOSS_DIR"), *undo = getenv("POWERLOSS_UNDO");
    const char *word = getenv("POWERLOSS_CONTROL"), *after = getenv("POWERLOSS_FAIL_SYNC_AFTER");
    const char *part = getenv("POWERLOSS_NO_SPACE");
    struct stat st;
    if (folder == NULL || undo == NULL)
        die("POWERLOSS_DIR and POWERLOSS_UNDO", "must be set");
    if (realpath(folder, dir) == NULL || stat(dir, &st) != 0)
        die("POWERLOSS_DIR must exist", folder);
    dir_len = strlen(dir);
    dir_dev = st.st_dev;
    if (word != NULL)
        snprintf(control, sizeof control, "%s", word);
    if (part != NULL)
        snprintf(no_space, sizeof no_space, "%s", part);
    if (after != NULL)
        fail_sync_after = atol(after);
    skip_sync = getenv("POWERLOSS_SKIP_SYNC") != NULL;
    undo_open(undo);
    trap_install();
}
