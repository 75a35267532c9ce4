/* What the three parts of the library share. See powerloss.c for what the library is. */
#ifndef POWERLOSS_H
#define POWERLOSS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/* --- trap.c: catching system calls, whoever issues them ------------------------------------- */

/* A real system call from the one address the filter lets through; answers -errno. */
long pl_raw(long nr, long a0, long a1, long a2, long a3, long a4, long a5);
/* Installs handler and filter; every thread started later inherits both. */
void trap_install(void);
/* powerloss.c: what a caught call does; answers like pl_raw. */
long dispatch(long nr, const long *a);
/* A plain sentence on stderr, then abort: a loss that cannot be tracked must not look tested. */
void die(const char *what, const char *detail) __attribute__((noreturn));

/* --- undo.c: the undo log and the table of watched inodes ------------------------------------ */

/* Kinds of records; tests/powerloss/loss/undo_log.rs reads them. Words x, y, z per kind. */
enum {
    REC_WRITE = 1,       /* x offset, y size before, z length; payload: bytes before */
    REC_LOST = 2,        /* x offset; payload: bytes the next REC_TRUNCATE of the inode cuts off */
    REC_TRUNCATE = 3,    /* x size before, y size after */
    REC_ENTRY = 4,       /* ino: what the name stood for before, x: stands for after, 0 = nothing */
    REC_BIND = 5,        /* ino: what the creation in record x made */
    REC_RENAME = 6,      /* ino moved, x: what the new name stood for before; "from\0to" */
    REC_MKDIR = 7,       /* payload: path */
    REC_RMDIR = 8,       /* payload: path */
    REC_SYNC = 9,        /* ino, x: records below this index are on disk, y: 1 = fdatasync */
    REC_DIRSYNC = 10,    /* x as above; payload: path */
    REC_SYNC_FAILED = 11 /* ino, x: records below this index may never reach the disk */
};

/* Opens the log in the folder; dies when there is one already. */
void undo_open(const char *folder);
/* Appends one record, whole, before its change is made; answers its index. Lock held. */
uint64_t undo_record(uint64_t kind, uint64_t ino, uint64_t x, uint64_t y, uint64_t z,
                     const void *payload, size_t len);
/* Index the next record will have. Lock held. */
uint64_t undo_next(void);
/* Watches a file: a second link in the undo folder keeps its bytes and its number. Lock held. */
void watch(const char *path, const struct stat *st);
/* A descriptor for reading the old bytes of a watched inode, or -1. */
int watched_fd(const struct stat *st);
/* Records the bytes that a write of len at offset will cover. Lock held. */
void note_write(const struct stat *st, uint64_t offset, uint64_t len);
/* Records a change of size and the bytes it cuts off. Lock held. */
void note_truncate(const struct stat *st, uint64_t size);

#endif
