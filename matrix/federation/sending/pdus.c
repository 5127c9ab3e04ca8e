/* matrix/federation/sending/pdus.c: events that wait, and their texts. */
#include "federation/sending/pdus.h"

#include <ganglion/matrix/store.h>
#include <ganglion/memory.h>

enum { TEXTS_BYTES = 16 << 20, TEXT_AGE_MS = 10 * 1000, AT_ONCE = 100 };

void mx_out_texts_init(struct mx_out_texts *texts)
{
    gg_list_init(&texts->order);
    texts->bytes = 0;
}

struct mx_out_pdu *mx_out_pdu_new(struct gg_str event_id, int64_t stream_ordering)
{
    struct mx_out_pdu *pdu = gg_xcalloc(1, sizeof(*pdu) + event_id.n + 1);
    pdu->refs = 1;
    pdu->stream_ordering = stream_ordering;
    gg_list_init(&pdu->kept);
    memcpy(pdu->id, event_id.s, event_id.n);
    pdu->event_id = gg_strn(pdu->id, event_id.n);
    return pdu;
}

struct mx_out_pdu *mx_out_pdu_ref(struct mx_out_pdu *pdu)
{
    pdu->refs++;
    return pdu;
}

static void drop_text(struct mx_out_texts *texts, struct mx_out_pdu *pdu)
{
    if (pdu->text == NULL)
        return;
    gg_list_remove(&pdu->kept);
    texts->bytes -= pdu->n;
    free(pdu->text);
    pdu->text = NULL;
}

void mx_out_pdu_unref(struct mx_out_texts *texts, struct mx_out_pdu *pdu)
{
    if (--pdu->refs > 0)
        return;
    drop_text(texts, pdu);
    free(pdu);
}

static bool fresh(const struct mx_out_pdu *pdu)
{
    return pdu->text != NULL && gg_now_ms() - pdu->made < TEXT_AGE_MS;
}

static void make_text(struct mx_out_texts *texts, struct mx_out_pdu *pdu, const struct mx_event *event)
{
    struct gg_buf text = GG_BUF_INIT;
    drop_text(texts, pdu);
    mx_event_write_pdu(&text, event);
    pdu->text = gg_buf_steal(&text, &pdu->n);
    pdu->made = gg_now_ms();
    texts->bytes += pdu->n;
    gg_list_push(&texts->order, &pdu->kept);
}

static void shrink(struct mx_out_texts *texts)
{
    while (texts->bytes > TEXTS_BYTES && !gg_list_empty(&texts->order))
        drop_text(texts, GG_CONTAINER(texts->order.next, struct mx_out_pdu, kept));
}

/* Those without a text that is new enough, in one read. Appends all before anything may yield again. */
static int write_some(struct mx_server *server, struct mx_out_texts *texts, struct mx_out_pdu *const *pdus, size_t n,
                      struct gg_buf *out, size_t *n_out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    const struct mx_event *events[AT_ONCE];
    struct gg_str ids[AT_ONCE];
    size_t missing[AT_ONCE], n_missing = 0;
    for (size_t i = 0; i < n; i++)
        if (!fresh(pdus[i])) {
            ids[n_missing] = pdus[i]->event_id;
            missing[n_missing++] = i;
        }
    int rc = n_missing > 0 ? mx_store_events(server, ids, n_missing, false, arena, events, err) : 0;
    for (size_t i = 0; rc == 0 && i < n_missing; i++)
        if (events[i] != NULL)
            make_text(texts, pdus[missing[i]], events[i]);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (pdus[i]->text == NULL)
            continue;
        gg_buf_text(out, *n_out > 0 ? "," : "");
        gg_buf_add(out, pdus[i]->text, pdus[i]->n);
        ++*n_out;
    }
    shrink(texts);
    gg_arena_free(arena);
    return rc;
}

int mx_out_pdus_write(struct mx_server *server, struct mx_out_texts *texts, struct mx_out_pdu *const *pdus, size_t n,
                      struct gg_buf *out, size_t *n_out, struct gg_error *err)
{
    int rc = 0;
    *n_out = 0;
    for (size_t i = 0; rc == 0 && i < n; i += AT_ONCE)
        rc = write_some(server, texts, pdus + i, n - i < AT_ONCE ? n - i : AT_ONCE, out, n_out, err);
    return rc;
}
