/* replay: runs a fuzz target over the files of a folder, without a fuzzer. An empty or a missing folder fails. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1024 * 1024 }; /* bytes; the corpus is smaller in all */

/* A copy of exactly its size, so that a sanitizer sees the first byte read beyond it. */
static int replay(const char *path)
{
    static uint8_t whole[INPUT_MAX];
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(whole, 1, sizeof whole, file) : 0;
    uint8_t *input = malloc(size ? size : 1);

    if (!file || ferror(file) || !input) {
        perror(path);
        return 1;
    }
    fclose(file);
    memcpy(input, whole, size);
    (void)LLVMFuzzerTestOneInput(input, size); /* its result says only whether the corpus wants the input */
    free(input);
    return 0;
}

int main(int argc, char **argv)
{
    struct dirent **entry;
    char path[4096];
    int done = 0, bad = 0, n = argc == 2 ? scandir(argv[1], &entry, NULL, alphasort) : -1;

    for (int i = 0; i < n; i++) {
        if (entry[i]->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", argv[1], entry[i]->d_name);
            printf("%s\n", entry[i]->d_name); /* on a crash the last line names the input */
            fflush(stdout);
            bad += replay(path);
            done++;
        }
        free(entry[i]);
    }
    if (n >= 0)
        free(entry);
    if (!done)
        fprintf(stderr, "%s: no input to replay\n", argc == 2 ? argv[1] : "usage: fuzz_NAME FOLDER");
    return bad || !done;
}
