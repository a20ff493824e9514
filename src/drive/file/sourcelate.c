/* sourcelate: links and directories that wait for the end. */
#include "drive/file/sourcelate.h"

#include "base/grow.h"

enum { ITEMS_MAX = 1024 * 1024 }; /* of each kind */

struct inode {
    uint64_t dev, ino;
};

int64_t sourcelate_ns(struct timespec t)
{
    const int64_t most = INT64_MAX / SKT_SEC - 1;
    int64_t s = t.tv_sec > most ? most : t.tv_sec < -most ? -most : t.tv_sec;

    return s * SKT_SEC + t.tv_nsec;
}

/* ---- lists ---- */

static bool list_add(struct sourcelate_list *list, const struct sourcewalk *walk, uint32_t to)
{
    struct sourcelate_item *items = list->items;

    if (list->n == ITEMS_MAX)
        return false;
    if (list->n == list->size)
        items = skt_grow(items, &list->size, ITEMS_MAX, sizeof *items);
    if (!items)
        return false;
    list->items = items;
    items[list->n] = (struct sourcelate_item){
        .path = strdup(walk->path),
        .mtime = sourcelate_ns(walk->st.st_mtim),
        .to = to,
        .mode = walk->st.st_mode & 07777,
    };
    if (!items[list->n].path)
        return false;
    list->n++;
    return true;
}

static void list_done(struct sourcelate_list *list)
{
    while (list->n)
        free(list->items[--list->n].path);
    free(list->items);
    *list = (struct sourcelate_list){ 0 };
}

/* ---- all ---- */

int sourcelate_init(struct sourcelate *late, uint64_t seed)
{
    *late = (struct sourcelate){ 0 };
    return skt_names_init(&late->inodes, ITEMS_MAX, seed);
}

void sourcelate_done(struct sourcelate *late)
{
    skt_names_done(&late->inodes);
    list_done(&late->names);
    list_done(&late->links);
    list_done(&late->dirs);
}

bool sourcelate_link(struct sourcelate *late, const struct sourcewalk *walk)
{
    struct inode inode = { walk->st.st_dev, walk->st.st_ino };
    struct skt_span key = skt_span_of(&inode, sizeof inode);
    uint32_t to;

    if (walk->st.st_nlink < 2)
        return false;
    if (skt_names_get(&late->inodes, key, &to))
        return list_add(&late->links, walk, to);
    if (list_add(&late->names, walk, 0) && skt_names_put(&late->inodes, key, late->names.n - 1))
        free(late->names.items[--late->names.n].path); /* no room: the next one is a file of its own */
    return false;
}

bool sourcelate_dir(struct sourcelate *late, const struct sourcewalk *walk) { return list_add(&late->dirs, walk, 0); }

static void put_item(const struct sourcelate_item *item, uint8_t kind, struct skt_xfer_meta *ret_meta)
{
    *ret_meta = (struct skt_xfer_meta){
        .kind = kind, .mode = item->mode, .mtime = item->mtime, .path = skt_span_str(item->path)
    };
}

bool sourcelate_next(struct sourcelate *late, struct skt_xfer_meta *ret_meta)
{
    struct sourcelate_list *links = &late->links, *dirs = &late->dirs;

    if (links->told < links->n) {
        const struct sourcelate_item *link = &links->items[links->told++];
        put_item(link, SKT_XFER_HARDLINK, ret_meta);
        ret_meta->target = skt_span_str(late->names.items[link->to].path);
        return true;
    }
    if (dirs->told == dirs->n)
        return false;
    put_item(&dirs->items[dirs->n - ++dirs->told], SKT_XFER_DIR_AGAIN, ret_meta); /* the list begins outside */
    return true;
}
