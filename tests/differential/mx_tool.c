/* mx_tool.c: the Matrix library for the differential tests. One request a line, words separated by blanks, JSON texts
 * in base64; one answer a line: "ok <text>" or "no <errcode>". canonical|write|strict TEXT sign SERVER KEY_LINE TEXT
 * KEY_LINE: a line of a signing key file, in base64 verify SERVER KEY_ID PUBLIC TEXT   PUBLIC: the key in base64
 */
#include <ganglion/matrix/crypto.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEPTH = 1000 };

static char *take_word(char **line)
{
    char *word = *line, *end = strpbrk(word, " \n");
    if (end)
        *end++ = '\0';
    *line = end ? end : word + strlen(word);
    return word;
}

static struct gg_str decode(const char *word, struct gg_arena *arena)
{
    char *out = gg_arena_alloc(arena, strlen(word) + 1);
    int64_t n = mx_unbase64(gg_str(word), out);
    return gg_strn(out, n < 0 ? 0 : (size_t)n);
}

/* The text written canonically, after the checks that keep canonicaljson from failing. */
static int write_text(const char *op, struct gg_str text, struct gg_arena *arena, struct gg_buf *out,
                      struct gg_error *err)
{
    struct mx_json *v = NULL;
    int rc = mx_json_parse(text, DEPTH, arena, &v, err);
    if (rc == 0)
        rc = strcmp(op, "strict") == 0 ? mx_json_strict(v, err) : mx_json_canonical_check(v, err);
    if (rc)
        return rc;
    if (strcmp(op, "write") == 0)
        mx_json_write(out, v);
    else
        mx_json_canonical(out, v);
    return 0;
}

static int sign(char *rest, struct gg_arena *arena, struct gg_buf *out, struct gg_error *err)
{
    const char *server = take_word(&rest);
    struct gg_str line = decode(take_word(&rest), arena), text = decode(take_word(&rest), arena);
    struct mx_signing_key *keys;
    struct mx_json *v = NULL;
    size_t n;
    int rc = mx_signing_keys_parse(line, arena, &keys, &n, err);
    if (rc == 0)
        rc = mx_json_parse(text, DEPTH, arena, &v, err);
    if (rc == 0 && v->kind != MX_JSON_OBJECT)
        rc = gg_refuse(err, 400, "M_BAD_JSON", "not an object");
    if (rc == 0) {
        mx_json_sign(v, server, &keys[0], arena);
        mx_json_canonical(out, v);
    }
    return rc;
}

static int verify(char *rest, struct gg_arena *arena, struct gg_error *err)
{
    const char *server = take_word(&rest), *id = take_word(&rest);
    struct gg_str key = decode(take_word(&rest), arena), text = decode(take_word(&rest), arena);
    struct mx_json *v = NULL;
    int rc = mx_json_parse(text, DEPTH, arena, &v, err);
    if (rc == 0 && key.n != 32)
        rc = gg_refuse(err, 400, "M_INVALID_PARAM", "not a key");
    return rc ? rc : mx_json_verify(v, server, id, (const uint8_t *)key.s, err);
}

static void answer(char *line)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_buf out = GG_BUF_INIT;
    struct gg_error err = GG_ERROR_INIT;
    const char *op = take_word(&line);
    int rc;
    if (strcmp(op, "sign") == 0)
        rc = sign(line, arena, &out, &err);
    else if (strcmp(op, "verify") == 0)
        rc = verify(line, arena, &err);
    else
        rc = write_text(op, decode(take_word(&line), arena), arena, &out, &err);
    if (rc)
        printf("no %s\n", err.errcode);
    else
        printf("ok %s\n", out.data);
    gg_buf_done(&out);
    gg_arena_free(arena);
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    while (getline(&line, &cap, stdin) > 0) {
        answer(line);
        fflush(stdout);
    }
    free(line);
    return 0;
}
