#pragma once
/* What the files of the chat engine share. Nobody else includes it. */
#include <sockit/chat.h>

#include "base/map.h"
#include "engine/outbox.h"
#include "wire/irc.h"

enum { /* bytes; what ISUPPORT (005) tells */
    NICK_MAX = 30,
    USER_MAX = 16,
    HOST_MAX = 47, /* an IPv6 address, or a mask of it */
    REAL_MAX = 150,
    CHANNEL_MAX = 64,
    TOPIC_MAX = 390,
    AWAY_MAX = 200,
    REASON_MAX = 300,
    KEY_MAX = 32,
    NAME_MAX_BYTES = 63, /* of the server */
    BANS_MAX = 64,       /* of one channel */
    MODES_MAX = 6,       /* with a parameter, in one line */
    TARGETS_MAX = 4,     /* of PRIVMSG, NOTICE, KICK, WHOIS in one line */
    INVITES_MAX = 8,     /* remembered for a user */
};

enum user_state { FRESH, REGISTERED, GONE /* told to close; the driver has not said CLOSE yet */ };

/* Capabilities, in the order in which CAP LS lists them: cap_names in command.c. */
enum {
    CAP_AWAY_NOTIFY = 1 << 0,
    CAP_CAP_NOTIFY = 1 << 1,
    CAP_ECHO = 1 << 2,
    CAP_EXTENDED_JOIN = 1 << 3,
    CAP_INVITE_NOTIFY = 1 << 4,
    CAP_MULTI_PREFIX = 1 << 5,
    CAP_NO_NAMES = 1 << 6,
    CAP_TIME = 1 << 7,
    CAP_SETNAME = 1 << 8,
    CAP_STANDARD_REPLIES = 1 << 9,
    CAP_USERHOST = 1 << 10,
};

enum { /* modes of a channel */
    MODE_INVITE = 1 << 0,
    MODE_MODERATED = 1 << 1,
    MODE_NO_OUTSIDE = 1 << 2,
    MODE_SECRET = 1 << 3,
    MODE_TOPIC = 1 << 4,
    MODE_KEY = 1 << 5,   /* channel->key */
    MODE_LIMIT = 1 << 6, /* channel->limit */
};

enum { MEMBER_OP = 1, MEMBER_VOICE = 2, MEMBER_TIME = 4 /* has CAP_TIME */ };

/* 8 bytes: the fan-out walks over these alone and touches no user. */
struct member {
    skt_link link;
    uint32_t flags;
};

struct channel {
    uint32_t id;     /* index in chat->channels */
    uint32_t serial; /* never used twice: what an invitation means */
    uint32_t modes, limit;
    struct member *members;
    uint32_t n, room;         /* of members; a channel without members is freed */
    uint32_t timed;           /* members with MEMBER_TIME */
    struct skt_buf *topic;    /* NULL: none */
    struct skt_buf *topic_by; /* nick!user@host */
    struct skt_buf *key;
    int64_t topic_at, created; /* s since 1970 */
    struct skt_buf **ban;      /* BANS_MAX places, from the first ban on */
    uint32_t bans;
    uint32_t name_n;
    uint8_t name[];
};

/* Where a user is: the channel, and at which place among its members. */
struct joined {
    uint32_t channel, at;
};

enum job_kind { NO_JOB, JOB_LIST, JOB_WHO_ALL, JOB_WHO_CHANNEL };

struct user {
    skt_link link;
    enum user_state state;
    uint32_t caps;
    bool has_nick, has_user, has_pass, capping /* CAP LS without END yet */;
    bool bare;     /* registered without USER: a person at nc, who need not answer PING */
    bool spoke;    /* sent a line */
    bool skipping; /* inside a line that is too long */
    bool full;     /* its socket takes no more */
    bool doomed;   /* to be ended at the next reap */
    bool unclosed; /* GONE, but the close did not fit the outbox */
    bool greeted, invisible, pinged;
    bool counted;                                     /* in by_ip */
    uint8_t mask[NICK_MAX + USER_MAX + HOST_MAX + 2]; /* nick!user@host */
    uint32_t nick_n, user_n, host_n;
    struct skt_buf *real, *away; /* NULL: none */
    struct skt_addr addr;
    skt_time since, heard, talked; /* connected, last bytes, last message (idle time) */
    skt_time named, asked;         /* its first NICK; our last PING */
    skt_time held;                 /* flood control: no line before; 0: not held */
    skt_time credit;               /* flood control: the time up to which its lines are paid for */
    skt_time due;                  /* of its timer */
    uint32_t timer;                /* place in chat->timers + 1; 0: none */
    uint32_t stamp;                /* of the last broadcast to peers that counted it */
    size_t left;                   /* bytes that the last recv left unread */
    struct joined *joined;
    uint32_t n, room; /* of joined */
    uint32_t invited[INVITES_MAX], invites;
    enum job_kind job;
    uint32_t cursor;
    struct skt_buf *job_mask;
};

/* A line in its two forms: with and without the time tag. The plain one is the tail of the other: one text. */
struct line {
    struct skt_slice plain, timed;
};

struct note;

struct skt_chat {
    struct skt_chat_conf conf;
    char name[NAME_MAX_BYTES + 1], network[NAME_MAX_BYTES + 1];
    struct skt_buf *motd, *password;
    skt_time now;       /* of the call in progress */
    skt_time line_cost; /* flood control: ns of credit a line costs */
    bool stopping;
    bool worked; /* the jobs had their share of this turn */

    struct user **users; /* by slot; NULL: nobody */
    uint32_t slots;
    struct channel **channels; /* by id; NULL: free */
    uint32_t channel_room, first_free, serial;
    struct skt_names nicks, channel_names, by_ip; /* folded nick -> link, folded name -> id, address -> links */
    uint32_t *timers, timer_n, timer_room;        /* a heap of slots, by user->due */
    uint32_t stamp, doomed, unclosed, jobs;

    struct skt_outbox out;
    struct skt_room whole, pen; /* the block, and the line that is being written in it */
    uint8_t *body;              /* where the line begins after its tags; NULL: no memory */
    struct skt_chat_stats stats;

    struct note *notes; /* unread events [told, noted) */
    uint32_t told, noted;
    size_t note_room;
    uint8_t *text; /* of the notes */
    size_t text_n, text_room;
};

/* For printf's %.*s. */
#define S(span) (int)skt_len(span), (const char *)(span).p

static inline struct skt_span buf_span(const struct skt_buf *b)
{
    return b ? skt_span_of(b->data, b->size) : skt_span_of("", 0);
}
static inline struct skt_span user_mask(const struct user *u)
{
    return skt_span_of(u->mask, u->nick_n + u->user_n + u->host_n + 2);
}
static inline struct skt_span user_nick(const struct user *u)
{
    return u->nick_n ? skt_span_of(u->mask, u->nick_n) : skt_span_of("*", 1);
}
static inline struct skt_span user_name(const struct user *u)
{
    return skt_span_of(u->mask + u->nick_n + 1, u->user_n);
}
static inline struct skt_span user_host(const struct user *u)
{
    return skt_span_of(u->mask + u->nick_n + u->user_n + 2, u->host_n);
}
static inline struct skt_span channel_name(const struct channel *ch) { return skt_span_of(ch->name, ch->name_n); }
static inline struct skt_span cut_to(struct skt_span s, size_t n)
{
    if (skt_len(s) > n)
        s.end = s.p + n;
    return s;
}

/* out.c: lines out */
struct skt_room *skt_chat_begin(struct skt_chat *c, bool timed);   /* then put into it */
void skt_chat_put_cut(struct skt_room *out, struct skt_span text); /* as much as fits in whole characters */
struct line skt_chat_end(struct skt_chat *c);
void skt_chat_give(struct skt_chat *c, struct user *u, struct line line);
/* To all members but one (0: to all). The number of them. */
uint32_t skt_chat_cast(struct skt_chat *c, const struct channel *ch, struct line line, skt_link but);
/* To all members with, or without, the capability. */
void skt_chat_cast_caps(
    struct skt_chat *c, const struct channel *ch, struct line line, skt_link but, uint32_t cap, bool has);
/* Once to everyone who shares a channel with u, u left out. cap 0: all; else only those who have it. */
void skt_chat_cast_peers(struct skt_chat *c, struct user *u, struct line line, uint32_t cap);
/* ":nick!user@host" of u, then the text. One line for all. */
struct line skt_chat_from(struct skt_chat *c, const struct user *u, bool timed, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void skt_chat_say(struct skt_chat *c, struct user *u, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void skt_chat_num(struct skt_chat *c, struct user *u, int numeric, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void skt_chat_notice(struct skt_chat *c, struct user *u, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
struct skt_buf *skt_chat_text(struct skt_span text, size_t max); /* a copy, cut in whole characters; NULL: no memory */

/* event.c: what the verb is told. The spans of *ev are copied. */
void skt_chat_note(struct skt_chat *c, const struct skt_chat_event *ev);
void skt_chat_tell(struct skt_chat *c, enum skt_chat_what what, const struct user *u, struct skt_span target,
    struct skt_span text); /* the same, for all that is about u */
bool skt_chat_notes_full(const struct skt_chat *c);

/* user.c: the life of a user */
struct user *skt_chat_user(const struct skt_chat *c, skt_link link);        /* NULL: unknown, or a stale link */
struct user *skt_chat_nick(const struct skt_chat *c, struct skt_span nick); /* registered; NULL: nobody */
void skt_chat_open(struct skt_chat *c, const struct skt_in *in);
void skt_chat_closed(struct skt_chat *c, struct user *u, int why); /* the driver said so: frees u */
void skt_chat_kill(struct skt_chat *c, struct user *u, const char *why, struct skt_span more);
void skt_chat_doom(struct skt_chat *c, struct user *u); /* from inside a fan-out: ended by the next reap */
void skt_chat_reap(struct skt_chat *c);
void skt_chat_user_free(struct user *u);
void skt_chat_try_register(struct skt_chat *c, struct user *u, bool bare);
void skt_chat_take_nick(struct skt_chat *c, struct user *u, struct skt_span nick);
void skt_chat_take_user(struct user *u, struct skt_span name);
bool skt_chat_peers(const struct user *a, const struct user *b); /* they share a channel */

/* timer.c */
int skt_chat_timer(struct skt_chat *c, struct user *u, skt_time due); /* sets or moves it; -ENOMEM */
void skt_chat_timer_off(struct skt_chat *c, struct user *u);
struct user *skt_chat_timer_top(const struct skt_chat *c); /* NULL: none */
void skt_chat_due(struct skt_chat *c, struct user *u);     /* u's timer came */
void skt_chat_retime(struct skt_chat *c, struct user *u);  /* after a change of state */

/* channel.c */
struct channel *skt_chat_channel(const struct skt_chat *c, struct skt_span name); /* NULL: there is none */
struct member *skt_chat_member(const struct skt_chat *c, const struct channel *ch, const struct user *u); /* NULL: no */
bool skt_chat_leave(struct skt_chat *c, struct user *u, struct channel *ch); /* says nothing. False: ch is gone */
void skt_chat_names(struct skt_chat *c, struct user *u, const struct channel *ch);
bool skt_chat_banned(const struct channel *ch, const struct user *u);
bool skt_chat_sees(const struct skt_chat *c, const struct user *u, const struct channel *ch); /* not secret to u */
struct skt_span skt_chat_prefix(const struct user *to, const struct member *m);               /* "@+", "@", "+", "" */
void skt_chat_channel_free(struct channel *ch);
void skt_chat_mark_time(struct skt_chat *c, struct user *u);                        /* after a change of its CAP_TIME */
void skt_chat_no_channel(struct skt_chat *c, struct user *u, struct skt_span name); /* 403 */
void skt_chat_need_op(struct skt_chat *c, struct user *u, const struct channel *ch); /* 482 */
/* The channel of that name if u is in it; else NULL, and u was told. */
struct channel *skt_chat_own_channel(
    struct skt_chat *c, struct user *u, struct skt_span name, struct member **ret_member);

/* query.c: answers that take several turns */
void skt_chat_run_jobs(struct skt_chat *c);
void skt_chat_job_end(struct skt_chat *c, struct user *u);
void skt_chat_welcome(struct skt_chat *c, struct user *u); /* 001-005, LUSERS, MOTD */

/* command.c */
void skt_chat_line(struct skt_chat *c, struct user *u, struct skt_span line);
void skt_chat_put_caps(struct skt_room *out, uint32_t caps);

/* Handlers of commands, each in the file of its subject. */
typedef void skt_chat_command(struct skt_chat *c, struct user *u, const struct skt_irc *m);
skt_chat_command skt_chat_cap, skt_chat_pass, skt_chat_do_nick, skt_chat_do_user, skt_chat_ping, skt_chat_pong,
    skt_chat_quit, skt_chat_setname, skt_chat_help;                                               /* command.c */
skt_chat_command skt_chat_join, skt_chat_part, skt_chat_do_names, skt_chat_kick, skt_chat_invite; /* channel.c */
skt_chat_command skt_chat_privmsg, skt_chat_do_notice, skt_chat_topic, skt_chat_away;             /* talk.c */
skt_chat_command skt_chat_mode;                                                                   /* mode.c */
skt_chat_command skt_chat_who, skt_chat_whois, skt_chat_whowas, skt_chat_list, skt_chat_lusers, skt_chat_motd,
    skt_chat_version, skt_chat_time, skt_chat_ison, skt_chat_userhost; /* query.c */
