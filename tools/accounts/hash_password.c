/* hash_password: the bcrypt hash of a password, as the server makes it: for users.password_hash. Flags as Synapse's. */
#include <crypt.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "accounts/password.h"
#include "prompt.h"
#include "settings.h"

enum { DEFAULT_ROUNDS = 12, LEAST_ROUNDS = 4, MOST_ROUNDS = 31, LINE = 4096 };

static const char usage[] =
    "usage: hash_password [-h] [-p PASSWORD] -c CONFIG\n"
    "\nCalculate the hash of a new password, so that passwords can be reset\n"
    "\n  -p, --password PASSWORD  New password for user. Will prompt if omitted.\n"
    "  -c, --config CONFIG      Path to server config file. Used to read in bcrypt_rounds and password_pepper.\n"
    "  -h, --help               show this help message and exit\n";

struct arguments {
    const char *password, *config;
};

static void fail(const char *why)
{
    fprintf(stderr, "%shash_password: error: %s\n", usage, why);
    exit(2);
}

static void read_arguments(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {
        {"password", required_argument, NULL, 'p'}, {"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {0}};
    for (int c; (c = getopt_long(argc, argv, "p:c:h", options, NULL)) != -1;) {
        if (c == 'p') {
            a->password = optarg;
        } else if (c == 'c') {
            a->config = optarg;
        } else if (c == 'h') {
            fputs(usage, stdout);
            exit(0);
        } else {
            exit(2);
        }
    }
    if (!a->config)
        fail("the following arguments are required: -c/--config");
    if (optind < argc)
        fail("unrecognized arguments");
}

/* From -p, else a line of standard input, else asked for. */
static bool find_password(const struct arguments *a, char *out, size_t size)
{
    if (a->password && a->password[0]) {
        snprintf(out, size, "%s", a->password);
        return strlen(a->password) < size;
    }
    return isatty(STDIN_FILENO) ? prompt_password(out, size) : prompt("", false, out, size);
}

static long read_rounds(struct settings *settings)
{
    const char *text = settings_text(settings, "bcrypt_rounds");
    char *end;
    long rounds = text ? strtol(text, &end, 10) : DEFAULT_ROUNDS;
    return text && (*end || rounds < LEAST_ROUNDS || rounds > MOST_ROUNDS) ? 0 : rounds;
}

static int print_hash(const char *secret, long rounds)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    struct crypt_data *data = calloc(1, sizeof(*data));
    const char *hash = NULL;
    if (data && crypt_gensalt_rn("$2b$", (unsigned long)rounds, NULL, 0, setting, sizeof(setting)))
        hash = crypt_rn(secret, setting, data, sizeof(*data));
    if (hash)
        printf("%s\n", hash);
    else
        fprintf(stderr, "the password could not be hashed\n");
    free(data);
    return hash ? 0 : 1;
}

int main(int argc, char **argv)
{
    static struct settings settings;
    struct arguments a = {0};
    char password[LINE], secret[MX_PASSWORD_BYTES + 1];
    read_arguments(argc, argv, &a);
    if (!settings_read(&settings, a.config) || !find_password(&a, password, sizeof(password)))
        return 1;
    long rounds = read_rounds(&settings);
    const char *pepper = settings_text(&settings, "password_config.pepper");
    bool usable = mx_password_prepare(gg_str(password), pepper, secret);
    if (!usable)
        fprintf(stderr, "the password is no UTF-8 text\n");
    if (!rounds)
        fprintf(stderr, "bcrypt_rounds must be a number from %d to %d\n", LEAST_ROUNDS, MOST_ROUNDS);
    int status = usable && rounds ? print_hash(secret, rounds) : 1;
    explicit_bzero(password, sizeof(password));
    explicit_bzero(secret, sizeof(secret));
    settings_done(&settings);
    return status;
}
