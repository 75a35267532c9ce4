/* A child for the tests: what Rust's standard library cannot do. Says "said: done" and waits. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    if (strcmp(argv[1], "range") == 0) {
        int fd = open(argv[2], O_RDWR);
        if (write(fd, "NEW", 3) != 3 || sync_file_range(fd, 0, 3, SYNC_FILE_RANGE_WAIT_BEFORE
                | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) != 0)
            return 1;
    } else if (strcmp(argv[1], "stdio") == 0) {
        FILE *file = fopen(argv[2], "r+");
        if (file == NULL || fputs("NEW", file) < 0 || fflush(file) != 0)
            return 1;
    } else if (strcmp(argv[1], "mapping") == 0) {
        int fd = open(argv[2], O_RDWR);
        char *map = mmap(NULL, 3, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED)
            return 1;
        memcpy(map, "NEW", 3);
    }
    puts("said: done");
    fflush(stdout);
    pause();
    return 0;
}
