/* chat: an IRC server as a state machine. Start reading at chat_recv(); a line's way is chat_recv -> skt_chat_line
 * (command.c) -> a handler -> the pen of out.c -> the outbox -> chat_send. */
#include "engine/chat/inside.h"

#include <errno.h>
#include <stdlib.h>

enum { OUT_LIMIT = 8192 }; /* deliveries, 192 KiB: above, input waits */

static void or_u32(uint32_t *v, uint32_t other) { *v = *v ? *v : other; }
static void or_time(skt_time *v, skt_time other) { *v = *v > 0 ? *v : other; }

static void defaults(struct skt_chat_conf *conf)
{
    or_u32(&conf->max_users, 10000);
    conf->max_users = conf->max_users < SKT_LINKS_MAX ? conf->max_users : SKT_LINKS_MAX;
    or_u32(&conf->max_channels, 2000);
    or_u32(&conf->max_joined, 50);
    or_u32(&conf->max_members, conf->max_users);
    or_u32(&conf->max_per_ip, 64);
    or_u32(&conf->flood_burst, 20);
    or_u32(&conf->flood_rate, 4);
    or_u32(&conf->flood_bytes, 8192);
    or_u32(&conf->max_events, 4096);
    or_time(&conf->register_timeout, 30 * SKT_SEC);
    or_time(&conf->ping_after, 90 * SKT_SEC);
    or_time(&conf->ping_wait, 60 * SKT_SEC);
}

/* A host name, as it stands as the source of our lines. */
static bool name_ok(const char *name)
{
    size_t n = strlen(name);

    return n && n <= NAME_MAX_BYTES &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == n;
}

static int copy_text(const char *text, struct skt_buf **ret)
{
    if (!text)
        return 0;
    *ret = skt_chat_text(skt_span_str(text), 64 * 1024);
    return *ret ? 0 : -ENOMEM;
}

/* All the deliveries that one line may cause at worst: a QUIT or JOIN to every member of every channel of one user. */
static uint32_t worst(const struct skt_chat_conf *conf)
{
    uint64_t n = (uint64_t)conf->max_members * (conf->max_joined < 64 ? conf->max_joined : 64) + 2 * OUT_LIMIT;

    return n < (1u << 25) ? (uint32_t)n : 1u << 25;
}

static int set_up(struct skt_chat *c)
{
    int r;

    defaults(&c->conf);
    memcpy(c->name, c->conf.name, strlen(c->conf.name));
    memcpy(c->network, c->conf.network, strlen(c->conf.network));
    c->line_cost = SKT_SEC / c->conf.flood_rate;
    skt_outbox_init(&c->out, OUT_LIMIT, worst(&c->conf));
    if ((r = skt_names_init(&c->nicks, c->conf.max_users, c->conf.seed)) ||
        (r = skt_names_init(&c->channel_names, c->conf.max_channels, c->conf.seed + 1)) ||
        (r = skt_names_init(&c->by_ip, c->conf.max_users, c->conf.seed + 2)) || (r = skt_outbox_reserve(&c->out)) ||
        (r = copy_text(c->conf.motd, &c->motd)))
        return r;
    return copy_text(c->conf.password, &c->password);
}

int skt_chat_new(const struct skt_chat_conf *conf, struct skt_chat **ret_chat)
{
    struct skt_chat *c = calloc(1, sizeof *c);
    int r;

    if (!c)
        return -ENOMEM;
    c->conf = *conf;
    c->conf.name = conf->name ? conf->name : "sockit.local";
    c->conf.network = conf->network ? conf->network : "sockit";
    r = name_ok(c->conf.name) && name_ok(c->conf.network) ? set_up(c) : -EINVAL;
    c->conf.name = c->name;
    c->conf.network = c->network;
    c->conf.motd = c->conf.password = NULL; /* the caller's; ours are the copies */
    if (r)
        skt_chat_free(c);
    else
        *ret_chat = c;
    return r;
}

void skt_chat_free(struct skt_chat *c)
{
    if (!c)
        return;
    for (uint32_t i = 0; i < c->slots; i++)
        skt_chat_user_free(c->users[i]);
    for (uint32_t i = 0; i < c->channel_room; i++)
        skt_chat_channel_free(c->channels[i]);
    skt_names_done(&c->nicks);
    skt_names_done(&c->channel_names);
    skt_names_done(&c->by_ip);
    skt_outbox_done(&c->out);
    skt_buf_put(c->motd);
    skt_buf_put(c->password);
    free(c->users);
    free(c->channels);
    free(c->timers);
    free(c->notes);
    free(c->text);
    free(c);
}

/* Takes the price of one line from the user's credit (a token bucket, kept as the time up to which all is paid). False,
 * and held until there is some: too fast. */
static bool pay(struct skt_chat *c, struct user *u)
{
    skt_time depth = c->line_cost * c->conf.flood_burst;

    if (c->conf.flood_free)
        return true;
    if (u->credit < c->now)
        u->credit = c->now;
    if (u->credit + c->line_cost > c->now + depth) {
        u->held = u->credit + c->line_cost - depth;
        skt_chat_retime(c, u);
        return false;
    }
    u->credit += c->line_cost;
    return true;
}

/* The next line has to wait: for the outbox, for the user to read, for its answer, for the log, or for being too fast. */
static bool must_wait(struct skt_chat *c, struct user *u)
{
    if (c->now >= u->held)
        u->held = 0;
    return skt_outbox_full(&c->out) || u->full || u->job != NO_JOB || skt_chat_notes_full(c) || u->held;
}

/* No end of the line in sight: the rest of it is skipped as it comes. */
static void too_long(struct skt_chat *c, struct user *u, struct skt_in *in)
{
    in->data.p = in->data.end;
    if (!u->skipping) {
        c->stats.long_lines++;
        skt_chat_num(c, u, 417, ":Input line was too long");
    }
    u->skipping = true;
}

static void take_lines(struct skt_chat *c, struct user *u, struct skt_in *in)
{
    struct skt_span line;

    while (u->state != GONE && !u->doomed && in->data.p < in->data.end) {
        if (!memchr(in->data.p, '\n', skt_len(in->data))) {
            if (u->skipping || skt_len(in->data) > SKT_IRC_TAGS + SKT_IRC_LINE)
                too_long(c, u, in);
            return;
        }
        if (must_wait(c, u) || !pay(c, u)) {
            in->hold = true;
            if (u->held && skt_len(in->data) > c->conf.flood_bytes) {
                c->stats.lost_flood++;
                skt_chat_kill(c, u, "Excess Flood", (struct skt_span){ 0 });
            }
            break;
        }
        (void)skt_get_line(&in->data, &line); /* there is one, as seen above */
        c->stats.lines++;
        if (!u->skipping)
            skt_chat_line(c, u, line);
        u->skipping = false;
    }
}

static void on_data(struct skt_chat *c, struct user *u, struct skt_in *in)
{
    bool fresh = skt_len(in->data) > u->left; /* not only what was left last time */

    if (fresh) {
        u->heard = c->now;
        u->pinged = false;
    }
    take_lines(c, u, in);
    c->stats.held += fresh && in->hold;
    if (u->state == GONE || u->doomed)
        in->data.p = in->data.end;
    u->left = skt_len(in->data);
}

static void chat_recv(void *self, skt_time now, struct skt_in *in)
{
    struct skt_chat *c = self;
    struct user *u = skt_chat_user(c, in->link);

    c->now = now;
    switch (in->kind) {
    case SKT_OPEN: skt_chat_open(c, in); break;
    case SKT_DATA:
        if (u)
            on_data(c, u, in);
        else
            in->data.p = in->data.end; /* it was refused, and writes on until the close arrives */
        break;
    case SKT_EOF:
        if (u)
            skt_chat_kill(c, u, "Connection closed", (struct skt_span){ 0 });
        break;
    case SKT_CLOSE: skt_chat_closed(c, u, in->why); break;
    case SKT_FULL:
    case SKT_ROOM:
        if (u)
            u->full = in->kind == SKT_FULL;
        break;
    case SKT_SHARE:
    case SKT_MOVE: break; /* never told to us */
    }
    skt_chat_reap(c);
}

static void run_timers(struct skt_chat *c)
{
    for (struct user *u; (u = skt_chat_timer_top(c)) && u->due <= c->now && !skt_outbox_full(&c->out);)
        skt_chat_due(c, u);
}

static bool chat_send(void *self, skt_time now, struct skt_out *out)
{
    struct skt_chat *c = self;

    c->now = now;
    if (skt_outbox_send(&c->out, out))
        return true;
    run_timers(c);
    if (!c->worked)
        skt_chat_run_jobs(c);
    c->worked = true; /* a job goes on in the next turn: until then the driver may say FULL */
    skt_chat_reap(c);
    if (skt_outbox_send(&c->out, out))
        return true;
    c->worked = false;
    return false;
}

static skt_time chat_wake(const void *self)
{
    const struct skt_chat *c = self;
    const struct user *u = skt_chat_timer_top(c);
    skt_time due = u ? u->due : SKT_NEVER;

    if (skt_outbox_count(&c->out)) /* skt_chat_stop was called from outside; or the driver had no memory */
        return c->now;
    if (c->unclosed && c->now + 100 * SKT_MS < due)
        due = c->now + 100 * SKT_MS; /* memory may be back then */
    for (uint32_t i = 0; c->jobs && due > c->now && i < c->slots; i++)
        if (c->users[i] && c->users[i]->job != NO_JOB && !c->users[i]->full)
            due = c->now;
    return due;
}

static const struct skt_engine_ops chat_ops = { .recv = chat_recv, .send = chat_send, .wake = chat_wake };

struct skt_engine skt_chat_engine(struct skt_chat *c) { return (struct skt_engine){ .ops = &chat_ops, .self = c }; }

void skt_chat_stats(const struct skt_chat *c, struct skt_chat_stats *ret_stats) { *ret_stats = c->stats; }

void skt_chat_stop(struct skt_chat *c, skt_time now, const char *reason)
{
    c->now = now;
    c->stopping = true;
    for (uint32_t i = 0; i < c->slots; i++)
        if (c->users[i])
            skt_chat_kill(c, c->users[i], reason, (struct skt_span){ 0 });
}
