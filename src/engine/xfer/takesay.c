/* takesay: what a receiver says: how far it is, what it takes, and when. Start reading at skt_take_pump(). */
#include "engine/xfer/takeinside.h"

static void say_stored(struct skt_take *t)
{
    const struct skt_xfer_stats *stats = &t->desk->stats;

    skt_desk_say(
        t->desk, &(struct skt_xfer_message){ .kind = SKT_XFER_STORED, .file = t->base, .bytes = stats->bytes_done });
    t->said_base = t->base;
    t->said_bytes = stats->bytes_done;
    t->said_at = t->desk->now;
}

static bool has_progress(const struct skt_take *t)
{
    return t->said_base != t->base || t->said_bytes != t->desk->stats.bytes_done;
}

/* Entries: as far ahead as there is room for them. STORED goes first: by it the sender knows that its own ring has room. */
static void say_more(struct skt_take *t)
{
    uint64_t more = (uint64_t)t->count + TAKE_AHEAD, most = (uint64_t)t->conf.max_files + 1;

    if (t->all || t->names > TAKE_NAMES)
        return;
    if (more > (uint64_t)t->base + TAKE_FILES)
        more = (uint64_t)t->base + TAKE_FILES;
    if (more > most)
        more = most;
    if (more <= t->granted || (more < most && more - t->granted < TAKE_AHEAD / 4)) /* the last step may be small */
        return;
    if (t->said_base != t->base)
        say_stored(t);
    t->granted = (uint32_t)more;
    skt_desk_say(t->desk, &(struct skt_xfer_message){ .kind = SKT_XFER_MORE, .file = t->granted });
}

static void say_of_files(struct skt_take *t)
{
    struct take_file *f;

    while ((f = SKT_LIST_FIRST(&t->saying, struct take_file, saying)) && take_has_room(t)) {
        struct skt_xfer_message m = { .kind = f->say, .file = f->number };

        skt_list_drop(&f->saying);
        f->say = 0;
        f->check_said |= m.kind == SKT_XFER_CHECK;
        if (m.kind == SKT_XFER_REFUSE) {
            m.error = (uint16_t)-f->why;
            m.text = skt_span_str(f->text ? f->text : "");
        }
        skt_desk_say(t->desk, &m);
    }
}

static void say_done(struct skt_take *t)
{
    if (has_progress(t)) /* the sender's user wants to see the last bytes counted */
        say_stored(t);
    t->done = true;
    skt_desk_say(t->desk,
        &(struct skt_xfer_message){
            .kind = SKT_XFER_DONE, .hash = t->sum_hash, .stored = t->n_stored, .refused = t->count - t->n_stored });
}

void skt_take_pump(struct skt_take *t)
{
    if (t->ended || !take_has_room(t))
        return;
    say_more(t);
    say_of_files(t);
    take_again(t);
    take_ask(t);
    if (has_progress(t) && take_has_room(t) &&
        (t->desk->now >= t->said_at + TAKE_STORED || t->base - t->said_base >= TAKE_AHEAD / 4))
        say_stored(t);
    if (t->synced && !t->done && take_has_room(t))
        say_done(t);
}

skt_time skt_take_wake(const struct skt_take *t)
{
    const struct take_file *f = SKT_LIST_FIRST(&t->busy, struct take_file, todo);
    skt_time at = f ? f->again_at : SKT_NEVER, stored = t->said_at + TAKE_STORED;

    if (t->ended || t->done)
        return SKT_NEVER;
    if ((!skt_list_empty(&t->saying) || t->synced) && take_has_room(t))
        return t->desk->now;
    if (f && at <= t->desk->now) /* the verb has not asked for it yet: no reason to spin */
        at = t->desk->now + TAKE_AGAIN;
    return has_progress(t) && take_has_room(t) && stored < at ? stored : at;
}
