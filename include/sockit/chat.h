#pragma once
#include <sockit/engine.h>

SKT_BEGIN
/* chat: an IRC server. Its links are streams that it did not ask for: every OPEN is a person. doc/protocol/irc.md tells
 * what it speaks. Nothing it holds grows above the caps of its conf, and what it refuses is counted. */
struct skt_chat;

/* 0 or NULL: the default, in brackets. Texts are copied. */
struct skt_chat_conf {
    uint64_t seed;         /* keys of the hash tables and of masked addresses: from the system's chance, kept secret */
    skt_time wall_offset;  /* + now = ns since 1970, UTC; for server-time and the times of topics */
    const char *name;      /* of the server, as a host name ("sockit.local") */
    const char *network;   /* its short name for people ("sockit") */
    const char *motd;      /* lines; NULL: none */
    const char *password;  /* asked of everyone by PASS; NULL: none */
    uint32_t max_users;    /* links, registered or not (10000; 1048576 at most) */
    uint32_t max_channels; /* (2000) */
    uint32_t max_joined;   /* channels of one user (50) */
    uint32_t max_members;  /* of one channel (max_users) */
    uint32_t max_per_ip;   /* links from one IPv4 address or IPv6 /64 (64); loopback and Unix are free */
    uint32_t flood_burst;  /* lines that a user may send at once (20) ... */
    uint32_t flood_rate;   /* ... and then lines/s (4). Faster ones wait */
    uint32_t flood_bytes;  /* of input that may wait so; above: Excess Flood (8192) */
    bool flood_free;       /* no flood control at all */
    skt_time register_timeout;      /* from OPEN to the end of registration (30 s) */
    skt_time ping_after, ping_wait; /* PING after that silence (90 s), close that long after it (60 s) */
    bool ascii_nicks;               /* refuse letters above ASCII in nicknames */
    bool show_ip;                   /* show addresses of users; else a keyed hash stands for each, loopback excepted */
    bool log_text;                  /* MESSAGE events carry the text; input waits while too many are unread */
    uint32_t max_events;            /* unread ones (4096); above they are lost and counted */
};

enum skt_chat_what {
    SKT_CHAT_CONNECTED,  /* host */
    SKT_CHAT_REGISTERED, /* nick, host */
    SKT_CHAT_LEFT,       /* nick (may be empty), text: why */
    SKT_CHAT_NICK,       /* nick, text: the new one */
    SKT_CHAT_JOINED,     /* nick, target */
    SKT_CHAT_PARTED,     /* nick, target, text: why */
    SKT_CHAT_KICKED,     /* nick, target, text: by whom */
    SKT_CHAT_TOPIC,      /* nick, target, text */
    SKT_CHAT_MESSAGE,    /* nick, target, deliveries, text if log_text */
};

struct skt_chat_event {
    enum skt_chat_what what;
    skt_time at; /* of the driver's clock */
    skt_link link;
    struct skt_span nick, host, target,
        text;            /* target: channel or nick. Not escaped. Valid until the next recv or send */
    uint32_t deliveries; /* MESSAGE: to how many people */
    bool notice;         /* MESSAGE: NOTICE, not PRIVMSG */
};

struct skt_chat_stats {
    uint32_t links, users, channels; /* now */
    uint32_t peak_links, peak_users; /* ever */
    uint64_t connects, registered, messages, deliveries, lines;
    uint64_t refused_full, refused_ip;        /* over max_users, max_per_ip */
    uint64_t lost_unregistered, lost_silent;  /* timed out: never registered, no PONG */
    uint64_t lost_flood, lost_memory;         /* closed: Excess Flood, out of memory */
    uint64_t bad_lines, long_lines, bad_utf8; /* refused lines */
    uint64_t held, events_lost;               /* times that input had to wait; unread events over max_events */
};

int skt_chat_new(const struct skt_chat_conf *conf, struct skt_chat **ret_chat); /* -ENOMEM, -EINVAL: a bad name */
void skt_chat_free(struct skt_chat *chat);
SKT_CLEANUP(skt_chat)

/* The handle by which a driver drives it; valid as long as the chat. */
struct skt_engine skt_chat_engine(struct skt_chat *chat);

/* The next thing that happened, in order. False: nothing new. */
bool skt_chat_next(struct skt_chat *chat, struct skt_chat_event *ret_event);
void skt_chat_stats(const struct skt_chat *chat, struct skt_chat_stats *ret_stats);

/* Tells everyone why and closes every link. New links are refused from now on. */
void skt_chat_stop(struct skt_chat *chat, skt_time now, const char *reason);
SKT_END
