/* JSON web tokens that strangers log in with: whatever they hold, none is good without the key. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "accounts/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const audiences[] = {"us"};
    struct gg_str token = gg_strn((const char *)data, size);
    if (mx_jwt_open(token, "HS256", "a key that no input knows: 7c9d2b51f0", NULL) || mx_jwt_open(token, "none", "", NULL))
        abort();
    json_t *claims = json_loadb((const char *)data, size, 0, NULL);
    if (json_is_object(claims))
        (void)mx_jwt_judge(claims, "them", audiences, 1, 1700000000);
    json_decref(claims);
    return 0;
}
