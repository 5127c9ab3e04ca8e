/* "Did you mean": the known key at the smallest edit distance. */
#include "config/internal.h"

#include <ctype.h>

enum { MAX_KEY = 63, MAX_DISTANCE = 3 };

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

static bool same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b) || (strchr("-_", a) && strchr("-_", b));
}

/* Optimal string alignment: insert, delete, change, swap neighbours. */
static size_t distance(const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b), rows[3][MAX_KEY + 1];

    if (na > MAX_KEY || nb > MAX_KEY)
        return SIZE_MAX;
    for (size_t j = 0; j <= nb; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t *now = rows[i % 3], *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];

        now[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            now[j] = min3(before[j] + 1, now[j - 1] + 1, before[j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : 1));
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]) && earlier[j - 2] + 1 < now[j])
                now[j] = earlier[j - 2] + 1;
        }
    }
    return rows[na % 3][nb];
}

void gg_near_try(struct gg_near *near, const char *candidate)
{
    size_t d = distance(near->wanted, candidate);

    if (!near->best || d < near->distance) {
        near->best = candidate;
        near->distance = d;
    }
}

const char *gg_near_found(const struct gg_near *near)
{
    size_t n = strlen(near->wanted), bound = n < 4 ? 1 : n < 8 ? 2 : MAX_DISTANCE;

    return near->best && near->distance <= bound ? near->best : NULL;
}

void gg_config_unknown_in(struct gg_config *config, const struct gg_node *map, const char *what,
                          const char *const *known)
{
    for (size_t i = 0; i < map->n; i++) {
        struct gg_near near = {.wanted = map->entries[i].key};
        const char *const *each = known;

        for (; *each && strcmp(*each, near.wanted) != 0; each++)
            gg_near_try(&near, *each);
        if (*each)
            continue;
        const char *found = gg_near_found(&near);
        gg_config_find(config, GG_FINDING_WARNING, "%s: unknown key `%s` in %s%s%s%s", map->entries[i].where,
                       near.wanted, what, found ? "; did you mean `" : "", found ? found : "", found ? "`?" : "");
    }
}
