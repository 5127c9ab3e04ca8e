/* accounts/signup.h: what the configuration asks of new users before they have an account. */
#ifndef MX_ACCOUNTS_SIGNUP_H
#define MX_ACCOUNTS_SIGNUP_H

#include "accounts/uia.h"

struct mx_signup_rules {
    bool mail;            /* the server can verify mail addresses */
    bool require_mail;    /* an address is needed (registrations_require_3pid) */
    bool require_token;   /* a registration token is needed */
    bool token_for_mail;  /* a registration token replaces the address */
    bool require_captcha; /* a captcha must be solved */
    bool require_consent; /* the terms must be agreed to */
};
enum { MX_SIGNUP_FLOWS = 4 };
/* The flows of registration, in the order that clients shall prefer; returns how many. Pure. */
size_t mx_signup_flows(const struct mx_signup_rules *rules, struct mx_uia_flow out[MX_SIGNUP_FLOWS]);
void mx_signup_rules(const struct mx_server *server, struct mx_signup_rules *out);

#endif
