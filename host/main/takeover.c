/* The conversation between a process and its successor: packets over a socket pair, descriptors with them. */
#include "main/takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <ganglion/buf.h>
#include <ganglion/log.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct gg_logger logger = {"ganglion.main"};

#define VARIABLE "GANGLION_TAKEOVER" /* its value: the number of the descriptor */

/* The first byte of a packet. PREPARED comes from the new process, the rest from the old one. */
enum { PREPARED = 'P', LEGACY = 'L', RELEASED = 'R' };
enum { PACKET = GG_HTTP_UNREAD + 1024, GIVE_MS = 5000, MAX_ARGUMENTS = 1024, MAX_COMMAND = 1 << 20 };

/* ---- packets ---- */

static GG_YIELDS int send_packet(int fd, struct gg_str packet, int passed)
{
    struct iovec iov = {(void *)packet.s, packet.n};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    if (passed >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        *head = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(head), &passed, sizeof(int));
    }
    int64_t deadline = gg_deadline(GIVE_MS);
    for (;;) {
        if (sendmsg(fd, &message, MSG_NOSIGNAL) >= 0)
            return 0;
        if (errno != EAGAIN && errno != EINTR && errno != ETOOMANYREFS)
            return GG_E_IO;
        int rc = errno == ETOOMANYREFS ? gg_sleep(1) : gg_wait_fd(fd, GG_WRITABLE, NULL, deadline);
        if (rc < 0 || gg_now_ms() > deadline)
            return rc < 0 ? rc : GG_E_TIMEOUT;
    }
}

static int passed_with(struct msghdr *message)
{
    int fd = -1;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head != NULL; head = CMSG_NXTHDR(message, head))
        if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
            memcpy(&fd, CMSG_DATA(head), sizeof(int));
    return fd;
}

/* Bytes in data, 0 at the end of the conversation, or a status; *passed_out: a descriptor that came along, or -1. */
static GG_YIELDS ssize_t receive_packet(int fd, char *data, size_t size, int *passed_out, int64_t deadline)
{
    for (;;) {
        union {
            char bytes[CMSG_SPACE(sizeof(int))];
            struct cmsghdr align;
        } control;
        struct iovec iov = {data, size};
        struct msghdr message = {
            .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
        ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        *passed_out = n > 0 ? passed_with(&message) : -1;
        if (n >= 0)
            return n;
        if (errno == ECONNRESET)
            return 0;
        if (errno != EAGAIN && errno != EINTR)
            return GG_E_IO;
        int rc = gg_wait_fd(fd, GG_READABLE, NULL, deadline);
        if (rc < 0)
            return rc;
    }
}

/* ---- the old one ---- */

/* The words of our own command line; NULL-ended, in *text. */
static char **own_arguments(struct gg_buf *text)
{
    char piece[4096];
    FILE *f = fopen("/proc/self/cmdline", "re");
    if (f == NULL)
        return NULL;
    for (size_t n; text->n < MAX_COMMAND && (n = fread(piece, 1, sizeof(piece), f)) > 0;)
        gg_buf_add(text, piece, n);
    fclose(f);
    char **words = calloc(MAX_ARGUMENTS + 1, sizeof(*words));
    GG_ASSERT(words != NULL);
    for (size_t at = 0, n = 0; at < text->n && n < MAX_ARGUMENTS; at += strlen(text->data + at) + 1)
        words[n++] = text->data + at;
    return words;
}

/* Where this program lies: an upgrade has put another file there, and then the kernel says "(deleted)". */
static bool own_program(char *out, size_t size)
{
    static const char gone[] = " (deleted)";
    ssize_t n = readlink("/proc/self/exe", out, size - 1);
    if (n < 0)
        return false;
    out[n] = '\0';
    size_t cut = sizeof(gone) - 1;
    if ((size_t)n > cut && strcmp(out + n - cut, gone) == 0)
        out[(size_t)n - cut] = '\0';
    return true;
}

/* The environment with the descriptor's number in front; to be freed. The watchdog's period holds for the successor, too,
 * but not the number of our process. */
static char **environment(char *variable)
{
    size_t n = 0, kept = 0;
    while (environ[n] != NULL)
        n++;
    char **all = calloc(n + 2, sizeof(*all));
    GG_ASSERT(all != NULL);
    all[kept++] = variable;
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], VARIABLE "=", sizeof(VARIABLE)) != 0 && strncmp(environ[i], "WATCHDOG_PID=", 13) != 0)
            all[kept++] = environ[i];
    return all;
}

/* A child of our parent, the service manager: of a main process that was another's child when it was named, systemd does not
 * wait for the end, so it would kill that one at each stop. Below, a copy of this process up to its exec. Negative: cannot. */
static pid_t spawn_beside_us(const char *program, char *const *words, char **env, int fd)
{
    pid_t pid = (pid_t)syscall(SYS_clone, (unsigned long)(CLONE_PARENT | SIGCHLD), 0UL, 0UL, 0UL, 0UL);
    if (pid != 0)
        return pid;
    sigset_t none;
    sigemptyset(&none);
    fcntl(fd, F_SETFD, 0);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(program, words, env);
    _exit(127); /* the old process sees that the conversation ended */
}

static int spawn_below_us(const char *program, char *const *words, char **env, int fd, pid_t *pid_out)
{
    sigset_t none, defaults;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd, fd); /* takes close-on-exec from it, in the child alone */
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    int rc = posix_spawn(pid_out, program, &actions, &attributes, words, env);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static int spawn(const char *program, char *const *words, int fd, pid_t *pid_out)
{
    char variable[sizeof(VARIABLE) + 16];
    snprintf(variable, sizeof(variable), VARIABLE "=%d", fd);
    char **env = environment(variable);
    *pid_out = getenv("NOTIFY_SOCKET") != NULL ? spawn_beside_us(program, words, env, fd) : -1;
    int rc = *pid_out > 0 ? 0 : spawn_below_us(program, words, env, fd, pid_out);
    free(env);
    return rc;
}

int gg_successor_start(struct gg_successor *out, struct gg_error *err)
{
    char program[4096];
    struct gg_buf text = GG_BUF_INIT;
    int pair[2], why;
    *out = (struct gg_successor){.fd = -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return gg_fail(err, GG_E_IO, "cannot make a socket pair: %s", strerror(errno));
    char **words = own_arguments(&text);
    if (words == NULL || words[0] == NULL || !own_program(program, sizeof(program)))
        why = ENOENT;
    else
        why = spawn(program, words, pair[1], &out->pid);
    free(words);
    gg_buf_done(&text);
    close(pair[1]);
    if (why != 0) {
        close(pair[0]);
        return gg_fail(err, GG_E_IO, "cannot start %s: %s", program, strerror(why));
    }
    out->fd = pair[0];
    return 0;
}

void gg_successor_cancel(struct gg_successor *successor)
{
    close(successor->fd);
    successor->fd = -1;
    kill(successor->pid, SIGKILL);
    while (waitpid(successor->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

int gg_successor_wait(struct gg_successor *successor, int64_t deadline, struct gg_error *err)
{
    char word = 0;
    int passed;
    ssize_t n = receive_packet(successor->fd, &word, 1, &passed, deadline);
    if (passed >= 0)
        close(passed);
    if (n == 1 && word == PREPARED)
        return 0;
    gg_successor_cancel(successor);
    return gg_fail(err, GG_E_UNAVAILABLE, "the new process %s",
                   n == 0                ? "ended before it was prepared"
                   : n == GG_E_CANCELLED ? "is not waited for"
                                         : "is not prepared in time");
}

bool gg_successor_give(void *self, const struct gg_http_legacy *legacy)
{
    struct gg_successor *successor = self;
    struct gg_buf packet = GG_BUF_INIT;
    gg_buf_char(&packet, LEGACY);
    gg_buf_add(&packet, legacy->key, strlen(legacy->key) + 1);
    gg_buf_text(&packet, legacy->address != NULL ? legacy->address : "");
    gg_buf_char(&packet, '\0');
    gg_buf_str(&packet, legacy->unread);
    int rc = packet.n <= PACKET ? send_packet(successor->fd, gg_buf_view(&packet), legacy->fd) : GG_E_LIMIT;
    if (rc < 0)
        gg_warn(&logger, "a socket of %s does not reach the successor: %s", legacy->key, gg_status_name(rc));
    gg_buf_done(&packet);
    return rc == 0;
}

void gg_successor_release(struct gg_successor *successor)
{
    if (successor->fd < 0)
        return;
    gg_shield_begin();
    if (send_packet(successor->fd, GG_STR("R"), -1) < 0)
        gg_warn(&logger, "the successor is gone");
    gg_shield_end();
    close(successor->fd);
    successor->fd = -1;
}

/* ---- the new one ---- */

int gg_takeover_open(void)
{
    const char *text = getenv(VARIABLE);
    char *end;
    struct stat st;
    if (text == NULL)
        return -1;
    long fd = strtol(text, &end, 10);
    bool good = end != text && *end == '\0' && fd > STDERR_FILENO && fd < 1 << 20 && fstat((int)fd, &st) == 0 &&
                S_ISSOCK(st.st_mode);
    unsetenv(VARIABLE);
    if (!good)
        return -1;
    fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    return (int)fd;
}

/* LEGACY: name, 0, address, 0, bytes. */
static void take(struct gg_server *server, const char *data, size_t n, int passed)
{
    const char *key = data + 1, *end = data + n;
    const char *key_end = memchr(key, '\0', n - 1);
    const char *address_end = key_end != NULL ? memchr(key_end + 1, '\0', (size_t)(end - key_end - 1)) : NULL;
    if (passed < 0 || address_end == NULL) {
        if (passed >= 0)
            close(passed);
        return;
    }
    struct gg_http_legacy legacy = {.key = key,
                                    .fd = passed,
                                    .address = key_end[1] != '\0' ? key_end + 1 : NULL,
                                    .unread = gg_strn(address_end + 1, (size_t)(end - address_end - 1))};
    gg_http_inherit(server, &legacy);
}

int gg_takeover_receive(int fd, struct gg_server *server, struct gg_error *err)
{
    char *data = malloc(PACKET);
    GG_ASSERT(data != NULL);
    bool released = false;
    ssize_t n = send_packet(fd, GG_STR("P"), -1) == 0 ? 1 : 0;
    while (n > 0 && !released) {
        int passed;
        n = receive_packet(fd, data, PACKET, &passed, GG_FOREVER);
        if (n > 0 && data[0] == LEGACY)
            take(server, data, (size_t)n, passed);
        else if (passed >= 0)
            close(passed);
        released = n > 0 && data[0] == RELEASED;
    }
    free(data);
    close(fd);
    if (n < 0)
        return gg_fail(err, (int)n, "stopped while the process before this one ended");
    if (!released)
        gg_warn(&logger, "the process before this one ended without a word; going on as after a crash");
    return 0;
}
