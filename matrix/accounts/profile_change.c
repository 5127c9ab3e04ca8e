/* profile_change.c: changing profiles of local users, and having their rooms told. */
#include "accounts/accounts.h"
#include "media/avatar.h"

#include <unictype.h>
#include <unistr.h>

static bool is_blank(ucs4_t c)
{
    return uc_is_property_white_space(c) || (c >= 0x1c && c <= 0x1f);
}

/* Names are stored without the blanks around them, as Synapse stores them: a search gives back what is stored. */
static struct gg_str without_blanks(struct gg_str name)
{
    ucs4_t c;
    for (int n; name.n > 0 && (n = u8_mbtouc(&c, (const uint8_t *)name.s, name.n)) > 0 && is_blank(c);)
        name = gg_strn(name.s + n, name.n - (size_t)n);
    for (const uint8_t *before; name.n > 0;) {
        before = u8_prev(&c, (const uint8_t *)name.s + name.n, (const uint8_t *)name.s);
        if (before == NULL || !is_blank(c))
            break;
        name.n = (size_t)(before - (const uint8_t *)name.s);
    }
    return name;
}

int mx_profile_set(struct mx_server *server, struct gg_str user_id, enum mx_profile_field field, struct gg_str key,
                   struct gg_str value, bool propagate, struct gg_error *err)
{
    bool changed;
    if (field == MX_PROFILE_NAME && value.s != NULL)
        value = without_blanks(value);
    int status = field == MX_PROFILE_AVATAR ? mx_avatar_check(server, value, err) : 0;
    if (!status)
        status = mx_profiles_write(server, user_id, field, key, value, &changed, err);
    if (status || !changed || !propagate || field == MX_PROFILE_CUSTOM)
        return status;
    return mx_tasks_add_profile(server, user_id, err);
}
