/* The undo log. Owns the log file, the table of watched inodes and the second link each of them
 * has in the undo folder.
 *
 * Invariants:
 * 1. A record is in the log, whole and with its checksum, before its change is made; so a killed
 *    process leaves at most one incomplete record, at the end, whose change never happened.
 * 2. While a file is watched its inode number cannot be given to another file, and its bytes
 *    outlive its names: the second link holds both.
 * 3. Order in the log is the order of the changes: the caller holds the lock over both.
 *
 * Never: decides what is lost; that is the reader's part (loss/restore.rs).
 */
#define _GNU_SOURCE
#include "powerloss.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAGIC 0x31474f4c53534f4cULL
/* Old bytes per record; longer writes become several records. */
#define CHUNK_BYTES ((uint64_t)1 << 20)
/* Watched inodes at once; a power of two. A chat server's store has some hundred files. */
#define WATCHED_COUNT_MAX 65536

static int folder_fd = -1, log_fd = -1;
static uint64_t next_index;
static unsigned char chunk[(size_t)1 << 20];
static struct { uint64_t ino; uint64_t dev; int fd; } watched[WATCHED_COUNT_MAX];

void undo_open(const char *folder) {
    folder_fd = open(folder, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    if (folder_fd < 0)
        die("cannot open the undo folder", folder);
    log_fd = openat(folder_fd, "log", O_CREAT | O_EXCL | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0)
        die("the undo folder holds a log that was not replayed", folder);
}

uint64_t undo_next(void) { return next_index; }

/* FNV-1a over 64-bit words with a final fold; enough to notice a cut or foreign record. */
static uint64_t checksum(uint64_t sum, const void *bytes, size_t len) {
    const unsigned char *at = bytes;
    uint64_t word;
    for (; len >= 8; at += 8, len -= 8) {
        memcpy(&word, at, 8);
        sum = (sum ^ word) * 0x100000001b3ULL;
    }
    for (; len > 0; at++, len--)
        sum = (sum ^ *at) * 0x100000001b3ULL;
    return sum ^ (sum >> 29);
}

uint64_t undo_record(uint64_t kind, uint64_t ino, uint64_t x, uint64_t y, uint64_t z,
                     const void *payload, size_t len) {
    uint64_t head[8] = {MAGIC, 0, len, kind, ino, x, y, z};
    uint64_t sum = checksum(0xcbf29ce484222325ULL, &head[2], 6 * sizeof *head);
    head[1] = checksum(sum, payload, len);
    struct iovec parts[2] = {{head, sizeof head}, {(void *)payload, len}};
    long want = (long)(sizeof head + len);
    if (pl_raw(SYS_writev, log_fd, (long)parts, 2, 0, 0, 0) != want)
        die("cannot write the undo log", "disk full?");
    return next_index++;
}

static size_t slot_of(const struct stat *st) {
    size_t at = (size_t)(st->st_ino * 0x9e3779b97f4a7c15ULL >> 40) % WATCHED_COUNT_MAX;
    size_t tried = 0;
    while (watched[at].ino != 0
           && (watched[at].ino != st->st_ino || watched[at].dev != st->st_dev)) {
        at = (at + 1) % WATCHED_COUNT_MAX;
        if (++tried == WATCHED_COUNT_MAX - 1)
            die("too many files", "WATCHED_COUNT_MAX");
    }
    return at;
}

int watched_fd(const struct stat *st) {
    size_t at = slot_of(st);
    return watched[at].ino == 0 ? -1 : watched[at].fd;
}

void watch(const char *path, const struct stat *st) {
    if (watched_fd(st) >= 0)
        return;
    char name[32];
    snprintf(name, sizeof name, "%llu", (unsigned long long)st->st_ino);
    long linked = pl_raw(SYS_linkat, AT_FDCWD, (long)path, folder_fd, (long)name, 0, 0);
    if (linked < 0)
        die("cannot link into the undo folder (same file system?)", path);
    long fd = pl_raw(SYS_openat, folder_fd, (long)name, O_RDONLY | O_CLOEXEC, 0, 0, 0);
    if (fd < 0)
        die("cannot read the file", path);
    size_t at = slot_of(st);
    watched[at].dev = st->st_dev;
    watched[at].fd = (int)fd;
    __atomic_store_n(&watched[at].ino, st->st_ino, __ATOMIC_RELEASE);
}

/* Reads [offset, offset + len) of the old bytes; shorter at the end of the file. */
static size_t read_old(const struct stat *st, uint64_t offset, uint64_t len) {
    size_t got = 0;
    int fd = watched_fd(st);
    while (got < len) {
        ssize_t n = pread(fd, chunk + got, (size_t)(len - got), (off_t)(offset + got));
        if (n < 0)
            die("cannot read old bytes", strerror(errno));
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return got;
}

void note_write(const struct stat *st, uint64_t offset, uint64_t len) {
    uint64_t size = (uint64_t)st->st_size;
    while (len > 0) {
        uint64_t part = len < CHUNK_BYTES ? len : CHUNK_BYTES;
        size_t old = offset < size ? read_old(st, offset, part) : 0;
        undo_record(REC_WRITE, st->st_ino, offset, size, part, chunk, old);
        offset += part;
        len -= part;
        if (size < offset)
            size = offset;
    }
}

void note_truncate(const struct stat *st, uint64_t size) {
    uint64_t old_size = (uint64_t)st->st_size, at = size;
    int fd = watched_fd(st);
    /* Holes are not copied: they come back with the size. */
    while (at < old_size) {
        off_t from = lseek(fd, (off_t)at, SEEK_DATA);
        if (from < 0)
            break;
        off_t hole = lseek(fd, from, SEEK_HOLE);
        uint64_t to = hole < 0 || (uint64_t)hole > old_size ? old_size : (uint64_t)hole;
        for (at = (uint64_t)from; at < to;) {
            size_t got = read_old(st, at, to - at < CHUNK_BYTES ? to - at : CHUNK_BYTES);
            if (got == 0)
                break;
            undo_record(REC_LOST, st->st_ino, at, 0, 0, chunk, got);
            at += got;
        }
        at = to;
    }
    undo_record(REC_TRUNCATE, st->st_ino, old_size, size, 0, NULL, 0);
}
