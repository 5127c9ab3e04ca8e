/* matrix/federation/sending/transaction.c: the text of one transaction (server-server API, "Transactions", "EDUs"). */
#include "federation/sending/transaction.h"

enum { PRESENCES_MAX = 50, RECEIPTS_MAX = 500 };

void mx_transaction_init(struct mx_transaction *t)
{
    *t = (struct mx_transaction){.edus = GG_BUF_INIT};
    gg_list_init(&t->taken);
}

void mx_transaction_done(struct mx_transaction *t)
{
    gg_buf_done(&t->edus);
    mx_out_taken_drop(&t->taken);
}

static void comma(struct mx_transaction *t)
{
    if (t->n_edus > 0)
        gg_buf_char(&t->edus, ',');
}

void mx_transaction_add(struct mx_transaction *t, const char *edu_type, struct gg_str content)
{
    comma(t);
    gg_buf_lit(&t->edus, "{\"edu_type\":");
    gg_buf_json_string(&t->edus, gg_str(edu_type));
    gg_buf_lit(&t->edus, ",\"content\":");
    gg_buf_str(&t->edus, content);
    gg_buf_char(&t->edus, '}');
    t->n_edus++;
}

/* {"user_id":"@a:hs","presence":"online",...} */
static void write_presence(struct gg_buf *out, const struct mx_out_edu *edu, int64_t now)
{
    struct gg_buf state = GG_BUF_INIT;
    gg_buf_lit(out, "{\"user_id\":");
    gg_buf_json_string(out, edu->user_id);
    gg_buf_char(out, ',');
    mx_presence_write(&state, &edu->state, now);
    gg_buf_add(out, state.data + 1, state.n - 1);
    gg_buf_done(&state);
}

void mx_transaction_add_presence(struct mx_transaction *t, struct mx_out_queue *queue, int64_t now)
{
    struct gg_list mine;
    struct gg_buf content = GG_BUF_INIT;
    gg_list_init(&mine);
    if (mx_out_queue_take(queue, MX_OUT_PRESENCE, PRESENCES_MAX, &mine) == 0)
        return;
    gg_buf_lit(&content, "{\"push\":[");
    GG_LIST_EACH(link, &mine) {
        gg_buf_text(&content, link->prev == &mine ? "" : ",");
        write_presence(&content, GG_CONTAINER(link, struct mx_out_item, link)->edu, now);
    }
    gg_buf_lit(&content, "]}");
    mx_transaction_add(t, "m.presence", gg_buf_view(&content));
    gg_buf_done(&content);
    while (!gg_list_empty(&mine))
        gg_list_push(&t->taken, gg_list_pop(&mine));
}

void mx_transaction_add_receipts(struct mx_transaction *t, struct mx_out_queue *queue, size_t max_edus)
{
    struct gg_list mine;
    gg_list_init(&mine);
    if (max_edus == 0 || mx_out_queue_take(queue, MX_OUT_RECEIPT, RECEIPTS_MAX, &mine) == 0)
        return;
    t->n_edus += mx_out_receipts_write(&mine, max_edus, t->n_edus == 0, &t->edus, &t->taken);
    mx_out_queue_return(queue, &mine); /* those for which there was no place */
}

void mx_transaction_add_typing(struct mx_transaction *t, struct mx_out_queue *queue, size_t max_edus)
{
    struct gg_list mine;
    gg_list_init(&mine);
    mx_out_queue_take(queue, MX_OUT_TYPING, max_edus, &mine);
    for (struct gg_list *link; (link = gg_list_pop(&mine)) != NULL; t->n_edus++) {
        comma(t);
        gg_buf_str(&t->edus, GG_CONTAINER(link, struct mx_out_item, link)->edu->text);
        gg_list_push(&t->taken, link);
    }
}

void mx_transaction_write(struct gg_buf *out, const char *origin, int64_t now, struct gg_str pdus, struct gg_str edus)
{
    gg_buf_lit(out, "{\"origin\":");
    gg_buf_json_string(out, gg_str(origin));
    gg_buf_printf(out, ",\"origin_server_ts\":%lld,\"pdus\":[", (long long)now);
    gg_buf_str(out, pdus);
    gg_buf_lit(out, "],\"edus\":[");
    gg_buf_str(out, edus);
    gg_buf_lit(out, "]}");
}
