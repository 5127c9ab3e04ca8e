/* What strangers send before they are anybody: names, passwords, tokens. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "accounts/access_token.h"
#include "accounts/password.h"
#include "accounts/username.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gg_str text = gg_strn((const char *)data, size);
    struct gg_error err = GG_ERROR_INIT;
    char out[MX_PASSWORD_BYTES + 1];
    if (mx_password_prepare(text, "pepper", out) && strlen(out) > MX_PASSWORD_BYTES)
        abort();
    mx_token_check(text);
    if (mx_username_check(text, GG_STR("example.org"), false, false, &err) == 0)
        for (size_t i = 0; i < size; i++)
            if (data[i] <= ' ' || data[i] >= 0x7f || data[i] == ':')
                abort(); /* would make a user id that splits elsewhere */
    return 0;
}
