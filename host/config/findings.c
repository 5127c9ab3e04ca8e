/* What was noticed while loading: kept, so that one run names every problem. */
#include "config/internal.h"

#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.config"};

void gg_config_find(struct gg_config *config, int level, const char *fmt, ...)
{
    va_list ap;
    const char *text;

    va_start(ap, fmt);
    text = gg_arena_vprintf(config->arena, fmt, ap);
    va_end(ap);
    if (config->n_findings == config->cap_findings) {
        size_t cap = config->cap_findings ? config->cap_findings * 2 : 16;
        struct gg_finding *grown = GG_NEW_ARRAY(config->arena, struct gg_finding, cap);

        if (config->n_findings)
            memcpy(grown, config->findings, config->n_findings * sizeof(*grown));
        config->findings = grown;
        config->cap_findings = cap;
    }
    config->findings[config->n_findings++] = (struct gg_finding){level, text};
    if (level == GG_FINDING_ERROR && config->first.code == 0)
        (void)gg_fail(&config->first, GG_E_INVALID, "%s", text);
}

int gg_config_verdict(const struct gg_config *config, struct gg_error *err)
{
    if (config->first.code)
        *err = config->first;
    return config->first.code;
}

const struct gg_finding *gg_config_findings(const struct gg_config *config, size_t *n_out)
{
    *n_out = config->n_findings;
    return config->findings;
}

void gg_config_log_findings(const struct gg_config *config)
{
    for (size_t i = 0; i < config->n_findings; i++) {
        const struct gg_finding *finding = &config->findings[i];
        int level = finding->level == GG_FINDING_NOTE      ? GG_INFO
                    : finding->level == GG_FINDING_WARNING ? GG_WARN
                                                           : GG_ERROR;

        gg_log(&logger, level, "%s", finding->text);
    }
}
