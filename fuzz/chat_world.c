/* engine/chat in a world where links come, fill up, half-close and break: the contract holds, the caps too, and nothing of
 * anyone is read after it is gone. fuzz/chat.c looks at what the lines say. */
#include <sockit/chat.h>

#include "world.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { USERS_MAX = 10, CHANNELS_MAX = 4 };

static void look(void *self)
{
    struct skt_chat_event event;
    struct skt_chat_stats stats;

    while (skt_chat_next(self, &event)) {
        world_read(event.nick);
        world_read(event.host);
        world_read(event.target);
        world_read(event.text);
    }
    skt_chat_stats(self, &stats);
    assert(stats.users <= stats.links && stats.links <= stats.peak_links && stats.users <= stats.peak_users);
    assert(stats.links <= USERS_MAX && stats.channels <= CHANNELS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t how = size ? data[0] : 0;
    struct skt_chat_conf conf = {
        .seed = 1,
        .name = "fuzz.local",
        .motd = "one\ntwo",
        .max_users = USERS_MAX,
        .max_channels = CHANNELS_MAX,
        .max_joined = 3,
        .max_events = 64,
        .flood_free = how & 1,
        .log_text = how & 2,
        .password = how & 4 ? "secret" : NULL,
        .ascii_nicks = how & 8,
        .show_ip = how & 16,
    };
    struct world_conf world = { .after = look };
    struct skt_chat *chat;

    if (!size || skt_chat_new(&conf, &chat))
        return 0;
    world.engine = skt_chat_engine(chat);
    world.self = chat;
    world_run(&world, data + 1, size - 1);
    skt_chat_free(chat);
    return 0;
}
