/* matrix/persist/fill.h: a plan as rows of tables and as invalidations. */
#ifndef MATRIX_PERSIST_FILL_H
#define MATRIX_PERSIST_FILL_H

#include "tables.h"
#include "writer.h"

/* Adds the plan's rows; ids have been handed out. */
void mx_fill_plan(struct mx_rowset *tables, const struct mx_plan *plan, struct gg_arena *arena);
/* fill_state.c: the part of it that the change of current state makes. */
void mx_fill_state(struct mx_rowset *tables, const struct mx_plan *plan, struct gg_arena *arena);
/* What other processes must forget; known before the transaction. */
void mx_fill_forget(struct mx_forget *forget, const struct mx_plan *plan);
/* The member event to mark, as this event is the first message of its sender since; s NULL: none. */
struct gg_str mx_participant(const struct mx_plan *plan, const struct mx_planned *p);
/* The lowest id of the plan: its changes of state carry it. */
int64_t mx_plan_low(const struct mx_plan *plan);
int64_t mx_plan_high(const struct mx_plan *plan);

#endif
