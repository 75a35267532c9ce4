/* Catching system calls. Owns the seccomp filter and the SIGSYS handler.
 *
 * Why not wrap libc functions: code that issues system calls itself (rustix's linux_raw backend,
 * which renames the engine's files) and calls inside libc (stdio) would pass unseen. The filter
 * sees every one, whoever issues it; only the instruction inside pl_raw is let through.
 *
 * Invariants:
 * 1. The handler runs with every signal blocked, so no other handler can issue a caught call
 *    while one is handled.
 * 2. Code that runs in the handler changes files through pl_raw only.
 *
 * Never: lets a process that was started by the watched one live on (the filter is inherited and
 * its exception is not, so such a process dies at its first caught call).
 */
#define _GNU_SOURCE
#include "powerloss.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

extern const char pl_raw_return[];

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
__asm__(".text\n.globl pl_raw\n.hidden pl_raw\n.type pl_raw,@function\npl_raw:\n"
        "mov %rdi,%rax\nmov %rsi,%rdi\nmov %rdx,%rsi\nmov %rcx,%rdx\nmov %r8,%r10\n"
        "mov %r9,%r8\nmov 8(%rsp),%r9\nsyscall\n"
        ".globl pl_raw_return\n.hidden pl_raw_return\npl_raw_return:\nret\n");
#define REG(uc, n) ((uc)->uc_mcontext.gregs[n])
static const int ARGS[6] = {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9};
#define ARG(uc, i) REG(uc, ARGS[i])
#define RESULT(uc) REG(uc, REG_RAX)
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
__asm__(".text\n.globl pl_raw\n.hidden pl_raw\n.type pl_raw,%function\npl_raw:\n"
        "mov x8,x0\nmov x0,x1\nmov x1,x2\nmov x2,x3\nmov x3,x4\nmov x4,x5\nmov x5,x6\nsvc 0\n"
        ".globl pl_raw_return\n.hidden pl_raw_return\npl_raw_return:\nret\n");
#define ARG(uc, i) ((uc)->uc_mcontext.regs[i])
#define RESULT(uc) ((uc)->uc_mcontext.regs[0])
#else
#error "the power-loss library knows x86_64 and aarch64"
#endif

/* Every call that can change a file's bytes, its size or a name, and those that sync. */
static const int CAUGHT[] = {
    SYS_write,    SYS_pwrite64,  SYS_writev,          SYS_pwritev,  SYS_pwritev2,
    SYS_sendfile, SYS_splice,    SYS_copy_file_range, SYS_ftruncate, SYS_truncate,
    SYS_fallocate, SYS_openat,   SYS_openat2,         SYS_renameat2, SYS_unlinkat,
    SYS_mkdirat,  SYS_linkat,    SYS_symlinkat,       SYS_mknodat,  SYS_fsync,
    SYS_fdatasync, SYS_io_uring_setup, SYS_io_setup,
#ifdef SYS_renameat
    SYS_renameat,
#endif
#ifdef SYS_open
    SYS_open,     SYS_creat,     SYS_rename,          SYS_unlink,   SYS_rmdir,
    SYS_mkdir,    SYS_link,      SYS_symlink,         SYS_mknod,
#endif
};

void die(const char *what, const char *detail) {
    static const char prefix[] = "power-loss library: ";
    pl_raw(SYS_write, 2, (long)prefix, sizeof prefix - 1, 0, 0, 0);
    pl_raw(SYS_write, 2, (long)what, (long)strlen(what), 0, 0, 0);
    pl_raw(SYS_write, 2, (long)": ", 2, 0, 0, 0);
    pl_raw(SYS_write, 2, (long)detail, (long)strlen(detail), 0, 0, 0);
    pl_raw(SYS_write, 2, (long)"\n", 1, 0, 0, 0);
    abort();
}

static void on_sigsys(int sig, siginfo_t *about, void *context) {
    ucontext_t *uc = context;
    int saved = errno;
    long args[6];
    (void)sig;
    for (int i = 0; i < 6; i++)
        args[i] = (long)ARG(uc, i);
    RESULT(uc) = dispatch(about->si_syscall, args);
    errno = saved;
}

#define LOAD(field) \
    (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_ARG(i) \
    (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, \
                                  offsetof(struct seccomp_data, args) + 8 * (i))
#define UNLESS_EQ(value, skip) \
    (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), 0, (skip))
#define UNLESS_SET(value, skip) \
    (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (uint32_t)(value), 0, (skip))
#define ANSWER(value) (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, (value))

void trap_install(void) {
    struct sock_filter code[128];
    unsigned short n = 0;
    uint64_t let_through = (uint64_t)(uintptr_t)pl_raw_return;
    code[n++] = LOAD(arch);
    code[n++] = UNLESS_EQ(ARCH, 1);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 1);
    code[n++] = ANSWER(SECCOMP_RET_KILL_PROCESS);
    code[n++] = LOAD(instruction_pointer);
    code[n++] = UNLESS_EQ(let_through, 3);
    code[n++] = (struct sock_filter)BPF_STMT(
        BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4);
    code[n++] = UNLESS_EQ(let_through >> 32, 1);
    code[n++] = ANSWER(SECCOMP_RET_ALLOW);
    code[n++] = LOAD(nr);
    for (size_t i = 0; i < sizeof CAUGHT / sizeof *CAUGHT; i++) {
        code[n++] = UNLESS_EQ(CAUGHT[i], 1);
        code[n++] = ANSWER(SECCOMP_RET_TRAP);
    }
    /* A shared, writable mapping changes a file without any call. */
    code[n++] = UNLESS_EQ(SYS_mmap, 6);
    code[n++] = LOAD_ARG(3);
    code[n++] = UNLESS_SET(MAP_SHARED, 3);
    code[n++] = LOAD_ARG(2);
    code[n++] = UNLESS_SET(PROT_WRITE, 1);
    code[n++] = ANSWER(SECCOMP_RET_TRAP);
    code[n++] = ANSWER(SECCOMP_RET_ALLOW);
    /* Cloning extents changes a file through ioctl. */
    code[n++] = UNLESS_EQ(SYS_ioctl, 5);
    code[n++] = LOAD_ARG(1);
    code[n++] = UNLESS_EQ(FICLONE, 1);
    code[n++] = ANSWER(SECCOMP_RET_TRAP);
    code[n++] = UNLESS_EQ(FICLONERANGE, 1);
    code[n++] = ANSWER(SECCOMP_RET_TRAP);
    code[n++] = ANSWER(SECCOMP_RET_ALLOW);

    struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
    sigfillset(&action.sa_mask);
    if (sigaction(SIGSYS, &action, NULL) != 0)
        die("cannot catch SIGSYS", strerror(errno));
    struct sock_fprog program = {.len = n, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
        || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                   &program) != 0)
        die("cannot install the system call filter", strerror(errno));
}
