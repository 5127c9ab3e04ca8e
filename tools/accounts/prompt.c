/* prompt.c: asking whoever sits at the terminal. */
#include "prompt.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static bool read_line(FILE *in, char *out, size_t size)
{
    if (!fgets(out, (int)size, in))
        return false;
    size_t n = strcspn(out, "\r\n");
    bool whole = out[n] != '\0' || feof(in);
    out[n] = '\0';
    return whole;
}

bool prompt(const char *question, bool hidden, char *out, size_t size)
{
    struct termios old, quiet;
    bool terminal = hidden && tcgetattr(STDIN_FILENO, &old) == 0;
    fprintf(stderr, "%s", question);
    fflush(stderr);
    if (terminal) {
        quiet = old;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    bool ok = read_line(stdin, out, size);
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
        fputc('\n', stderr);
    }
    return ok;
}

bool prompt_password(char *out, size_t size)
{
    char again[1024];
    if (!prompt("Password: ", true, out, size) || out[0] == '\0') {
        fprintf(stderr, "Password cannot be blank.\n");
        return false;
    }
    bool same = prompt("Confirm password: ", true, again, sizeof(again)) && strcmp(out, again) == 0;
    explicit_bzero(again, sizeof(again));
    if (!same)
        fprintf(stderr, "Passwords do not match\n");
    return same;
}

bool read_first_line(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "r");
    bool ok = file && read_line(file, out, size);
    if (file)
        fclose(file);
    if (!ok) {
        fprintf(stderr, "Error accessing file %s\n", path);
        return false;
    }
    size_t from = strspn(out, " \t"), n = strlen(out);
    while (n > from && strchr(" \t", out[n - 1]))
        n--;
    memmove(out, out + from, n - from);
    out[n - from] = '\0';
    return true;
}
