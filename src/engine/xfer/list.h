#pragma once
#include <stdbool.h>
#include <stddef.h>

/* list: doubly linked, through nodes that lie in what is listed. A node is in one list at most, or in none: all zeros. */
struct skt_node {
    struct skt_node *prev, *next;
};

static inline void skt_list_init(struct skt_node *list) { list->prev = list->next = list; }
static inline bool skt_listed(const struct skt_node *node) { return node->next; }
static inline bool skt_list_empty(const struct skt_node *list) { return list->next == list; }

/* Puts it at the end, unless it is in a list already. */
static inline void skt_list_put(struct skt_node *list, struct skt_node *node)
{
    if (node->next)
        return;
    *node = (struct skt_node){ list->prev, list };
    list->prev->next = node;
    list->prev = node;
}

static inline void skt_list_drop(struct skt_node *node)
{
    if (!node->next)
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    *node = (struct skt_node){ NULL, NULL };
}

/* What a node lies in. */
#define SKT_LIST_OF(node, type, member) ((type *)(((char *)(node)) - offsetof(type, member)))

/* The first of the list as what it lies in; NULL: there is none. */
#define SKT_LIST_FIRST(list, type, member) (skt_list_empty(list) ? NULL : SKT_LIST_OF((list)->next, type, member))
