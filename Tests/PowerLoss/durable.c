// What is on the disk after the power fails, at worst: only what was synced.
//
// Loaded before libc (LD_PRELOAD), it keeps a second copy of the folder $DURABLE_ROOT in
// $DURABLE_MIRROR. What a file holds gets there when the file is synced, and names (made, renamed
// or removed) when their folder is. Everything else is lost, also what a real disk might have
// written by itself. The files are taken to be written at their end only, as those of RocksDB are.

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void fail(const char *what)
{
    perror(what);
    abort();
}

/// Where the synced content of a file is kept: by inode and time of birth, because inodes are used
/// again.
static void content_path(int fd, char *path, size_t size)
{
    struct statx status;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &status) != 0) fail("statx");
    snprintf(path, size, "%s/.content/%llu-%lld-%u", getenv("DURABLE_MIRROR"),
             (unsigned long long)status.stx_ino, (long long)status.stx_btime.tv_sec,
             status.stx_btime.tv_nsec);
}

/// Copies what was added to a file since it was last synced.
static void sync_content(int fd, off_t end)
{
    char path[4096], self[64], chunk[65536];
    content_path(fd, path, sizeof path);
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    int from = open(self, O_RDONLY | O_CLOEXEC);
    int to = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    if (from < 0 || to < 0) fail("open");
    struct stat status;
    if (fstat(to, &status) != 0) fail("fstat");
    if (status.st_size > end && ftruncate(to, end) != 0) fail("ftruncate");
    for (off_t position = status.st_size < end ? status.st_size : end; position < end;) {
        size_t wanted = sizeof chunk;
        if (end - position < (off_t)wanted) wanted = end - position;
        ssize_t count = pread(from, chunk, wanted, position);
        if (count <= 0) break;
        if (pwrite(to, chunk, count, position) != count) fail("pwrite");
        position += count;
    }
    close(from);
    close(to);
}

/// Makes the names of a folder in the copy those that it has.
static void sync_names(const char *folder)
{
    char path[8192], copy[8192], content[4096], temporary[4096];
    const char *mirror = getenv("DURABLE_MIRROR");
    const char *below = folder + strlen(getenv("DURABLE_ROOT"));
    snprintf(copy, 4096, "%s%s", mirror, below);
    if (mkdir(copy, 0755) != 0 && errno != EEXIST) fail("mkdir");
    DIR *names = opendir(folder);
    if (!names) fail("opendir");
    for (struct dirent *entry; (entry = readdir(names));) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        struct stat status;
        if (fd < 0) continue;
        if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
            close(fd);
            continue;
        }
        content_path(fd, content, sizeof content);
        close(fd);
        int made = open(content, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
        if (made < 0) fail("open");
        close(made);
        snprintf(path, sizeof path, "%s/%s", copy, entry->d_name);
        snprintf(temporary, sizeof temporary, "%s/.name", mirror);
        unlink(temporary);
        if (link(content, temporary) != 0 || rename(temporary, path) != 0) fail("link");
    }
    closedir(names);
    names = opendir(copy);
    if (!names) fail("opendir");
    for (struct dirent *entry; (entry = readdir(names));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (access(path, F_OK) == 0) continue;
        snprintf(path, sizeof path, "%s/%s", copy, entry->d_name);
        unlink(path);
    }
    closedir(names);
}

static int record(int fd, long call)
{
    char self[64], path[2048];
    const char *root = getenv("DURABLE_ROOT");
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    ssize_t count = readlink(self, path, sizeof path - 1);
    struct stat status;
    if (!root || count < 0 || fstat(fd, &status) != 0) return (int)syscall(call, fd);
    path[count] = 0;
    size_t length = strlen(root);
    if (strncmp(path, root, length) != 0 || (path[length] != '/' && path[length] != 0)) {
        return (int)syscall(call, fd);
    }
    pthread_mutex_lock(&lock);
    if (S_ISDIR(status.st_mode)) {
        sync_names(path);
    } else {
        sync_content(fd, status.st_size);
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

int fsync(int fd) { return record(fd, SYS_fsync); }

int fdatasync(int fd) { return record(fd, SYS_fdatasync); }
