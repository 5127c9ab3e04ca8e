/* What servers say of keys: answers of key servers, and questions to us as one. Taken or refused; nothing unsigned is
 * taken, and nothing is the server's fault. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "federation/key_answer.h"
#include "federation/own_keys.h"

static void refuse_or_not(int rc, const struct gg_error *err)
{
    if (rc != 0 && (err->http_status < 400 || err->http_status > 499))
        abort();
}

/* With a signature of its own it comes further: the key that signs stands in it. */
static void read_signed(struct mx_json *object, const struct mx_signing_key *key, struct gg_arena *arena)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_key_answer answer;
    struct gg_str server = mx_json_text(mx_json_member(object, "server_name"));
    struct mx_json *keys = mx_json_member(object, "verify_keys"), *own = mx_json_object(arena);
    char text[mx_base64_size(32)];
    if (!server.s || !keys || keys->kind != MX_JSON_OBJECT)
        return;
    mx_base64(key->public_key, 32, false, text);
    mx_json_set(own, arena, "key", mx_json_new_string(arena, gg_str(text)));
    mx_json_set(keys, arena, key->id, own);
    mx_json_sign(object, gg_arena_strndup(arena, server.s, server.n), key, arena);
    int rc = mx_key_answer_read(object, arena, &answer, &err);
    refuse_or_not(rc, &err);
    if (rc == 0 && (!answer.n || answer.n > MX_KEY_ANSWER_KEYS_MAX || mx_json_check(answer.text, 1000, &err)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct mx_signing_key *key;
    struct mx_json *object;
    struct mx_key_answer answer;
    struct mx_notary_ask *asks;
    size_t n;
    if (mx_signing_keys_parse(GG_STR("ed25519 fuzz AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"), arena, &key, &n, &err))
        abort();
    if (mx_json_parse(gg_strn((const char *)data, size), 50, arena, &object, &err) == 0) {
        struct gg_error one = GG_ERROR_INIT, two = GG_ERROR_INIT;
        refuse_or_not(mx_key_answer_read(object, arena, &answer, &one), &one);
        refuse_or_not(mx_notary_read(object, arena, &asks, &n, &two), &two);
        read_signed(object, key, arena);
    }
    gg_arena_free(arena);
    return 0;
}
