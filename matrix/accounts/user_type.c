/* user_type.c: kinds of accounts (user_types.* of the configuration). */
#include "accounts/user_type.h"

bool mx_user_type_known(const struct gg_config *config, struct gg_str type)
{
    static const char *const built_in[] = {"support", "bot"};
    for (size_t i = 0; i < GG_COUNT(built_in); i++)
        if (gg_str_is(type, built_in[i]))
            return true;
    size_t n;
    const char *const *extra = gg_config_texts(config, "user_types.extra_user_types", &n);
    for (size_t i = 0; i < n; i++)
        if (gg_str_is(type, extra[i]))
            return true;
    return false;
}

struct gg_str mx_user_type_default(const struct gg_config *config)
{
    return gg_str(gg_config_text(config, "user_types.default_user_type"));
}
