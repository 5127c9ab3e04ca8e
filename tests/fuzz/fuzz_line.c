/* Lines of the replication channel: whatever comes, a parsed line points into its text and its words are usable. */
#include "repl/lines_parse.h"

#include <ganglion/log.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_inside(struct gg_str part, struct gg_str text)
{
    GG_ASSERT(part.s == NULL || (part.s >= text.s && part.s + part.n <= text.s + text.n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct gg_str text = gg_strn((const char *)data, n);
    struct gg_line line;
    if (!gg_line_parse(text, &line))
        return 0;
    const struct gg_str parts[] = {line.name, line.rest, line.stream, line.instance, line.row};
    for (size_t i = 0; i < GG_COUNT(parts); i++)
        check_inside(parts[i], text);
    GG_ASSERT(line.name.n > 0 && line.name.n <= GG_LINE_MAX_WORD);
    if (line.kind == GG_LINE_COMMAND)
        return 0;
    GG_ASSERT(line.stream.n > 0 && line.instance.n > 0 && line.instance.n <= GG_LINE_MAX_WORD);
    GG_ASSERT(memchr(line.instance.s, '\0', line.instance.n) == NULL && line.token >= 0 && line.prev >= 0);
    GG_ASSERT(line.kind == GG_LINE_POSITION || line.row.n > 0);
    return 0;
}
