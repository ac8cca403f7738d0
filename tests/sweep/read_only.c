/* A file system that takes nothing: while the file $LOOPD_TEST_READ_ONLY exists, writes to the database fail as those to a
   file system that was remounted read-only do. New files are refused by a real mount; the database is open already. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int refused(int file)
{
    const char *told = getenv("LOOPD_TEST_READ_ONLY");
    char link[64], path[4096];
    if (!told || access(told, F_OK) != 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return strstr(path, "/loopd.db") != 0;
}

#define REFUSE(file) if (refused(file)) { errno = EROFS; return -1; }
#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

ssize_t write(int file, const void *bytes, size_t count)
{
    REAL(write);
    REFUSE(file)
    return real(file, bytes, count);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at)
{
    REAL(pwrite);
    REFUSE(file)
    return real(file, bytes, count, at);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at)
{
    REAL(pwrite64);
    REFUSE(file)
    return real(file, bytes, count, at);
}
