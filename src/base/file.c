#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { CHUNK_BYTES = 4096 };

enum err file_read(const char *path, struct buf *b) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    }
    ssize_t n = 1;
    int error = 0;
    while (n > 0) {
        char *at = buf_reserve(b, CHUNK_BYTES);
        if (!at) {
            break;
        }
        n = read(fd, at, CHUNK_BYTES);
        error = errno;
        b->n += n > 0 ? (size_t)n : 0;
    }
    (void)close(fd);
    errno = error;
    return n < 0 ? ERR_IO : buf_check(b);
}
