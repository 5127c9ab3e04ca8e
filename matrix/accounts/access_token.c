/* access_token.c: making and checking opaque tokens. */
#include "accounts/access_token.h"

#include <ganglion/matrix/crypto.h>
#include <zlib.h>

enum { LETTERS = 20, CHECK = 6 };

/* CRC-32 in base 62 (0-9, A-Z, a-z), padded to six digits; out holds seven bytes. */
static void checksum(struct gg_str text, char out[CHECK + 1])
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    unsigned long crc = crc32(0, (const unsigned char *)text.s, (unsigned)text.n);
    for (int i = CHECK - 1; i >= 0; i--) {
        out[i] = digits[crc % 62];
        crc /= 62;
    }
    out[CHECK] = 0;
}

/* head: all before the letters. */
static const char *finish(struct gg_arena *arena, const char *head)
{
    char letters[LETTERS + 1], check[CHECK + 1];
    gg_random_text(letters, LETTERS, GG_LETTERS);
    char *body = gg_arena_printf(arena, "%s_%s", head, letters);
    checksum(gg_str(body), check);
    return gg_arena_printf(arena, "%s_%s", body, check);
}

static const char *of_user(struct gg_arena *arena, const char *kind, struct gg_str localpart)
{
    char *name = gg_arena_alloc(arena, mx_base64_size(localpart.n));
    mx_base64(localpart.s, localpart.n, false, name);
    return finish(arena, gg_arena_printf(arena, "%s_%s", kind, name));
}

const char *mx_access_token_new(struct gg_arena *arena, struct gg_str localpart)
{
    return of_user(arena, "syt", localpart);
}

const char *mx_refresh_token_new(struct gg_arena *arena, struct gg_str localpart)
{
    return of_user(arena, "syr", localpart);
}

const char *mx_login_token_new(struct gg_arena *arena)
{
    return finish(arena, "syl");
}

bool mx_refresh_token_valid(struct gg_str token)
{
    size_t parts = 1;
    for (size_t i = 0; i < token.n; i++)
        parts += token.s[i] == '_';
    return gg_str_starts(token, GG_STR("syr_")) && parts == 4 && mx_token_check(token);
}

bool mx_token_check(struct gg_str token)
{
    char check[CHECK + 1];
    if (token.n < CHECK + 1 || token.s[token.n - CHECK - 1] != '_')
        return false;
    checksum(gg_strn(token.s, token.n - CHECK - 1), check);
    return memcmp(check, token.s + token.n - CHECK, CHECK) == 0;
}

void mx_device_id_new(char out[11])
{
    gg_random_text(out, 10, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
}
