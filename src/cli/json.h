#pragma once
#include "cli/sink.h"

/* json: one object a line, written as it comes; strings are escaped, commas and nesting are kept right.
 *
 *     struct skt_json j;
 *     skt_json_begin(&j, &cli->out);                  {
 *     skt_json_str(&j, "event", "open");              "event":"open"
 *     skt_json_u64(&j, "links", 3);                   ,"links":3
 *     skt_json_array(&j, "ports");                    ,"ports":[
 *     skt_json_u64(&j, NULL, 80);                     80
 *     skt_json_close(&j);                             ]
 *     skt_json_end(&j);                               } LF
 *
 * key: NULL within an array, a name within an object; anything else is our own bug and stops. */
struct skt_json {
    struct skt_sink *sink;
    uint32_t depth;
    uint32_t arrays; /* bit d: depth d is an array */
    bool comma;      /* something stands before the next value */
};
enum { SKT_JSON_DEPTH = 16 };

void skt_json_begin(struct skt_json *j, struct skt_sink *sink); /* the object of a new line */
void skt_json_end(struct skt_json *j);                          /* closes whatever is open, and the line */

void skt_json_str(struct skt_json *j, const char *key, const char *value); /* NULL: null */
void skt_json_span(struct skt_json *j, const char *key, struct skt_span value);
void skt_json_u64(struct skt_json *j, const char *key, uint64_t value);
void skt_json_i64(struct skt_json *j, const char *key, int64_t value);
void skt_json_double(struct skt_json *j, const char *key, double value); /* not finite: null */
void skt_json_bool(struct skt_json *j, const char *key, bool value);
void skt_json_null(struct skt_json *j, const char *key);
void skt_json_object(struct skt_json *j, const char *key);
void skt_json_array(struct skt_json *j, const char *key);
void skt_json_close(struct skt_json *j); /* the innermost object or array */
