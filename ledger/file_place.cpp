#include "ledger/file_place.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

namespace weir::ledger {

namespace {

constexpr mode_t kPrivate = S_IRUSR | S_IWUSR;

std::string because_of(int error) {
    return std::error_code{error, std::generic_category()}.message();
}

std::string folder_of(const std::string& file) {
    const std::string folder = std::filesystem::path{file}.parent_path().string();
    return folder.empty() ? "." : folder;
}

int open_file(const std::string& path, int flags) {
    return ::open(path.c_str(),
                  flags | O_CLOEXEC | O_NOFOLLOW,
                  kPrivate);  // NOLINT: the system's own signature
}

/// Names of file systems on other machines, by the numbers of statfs(2).
constexpr std::array<std::pair<std::uint32_t, std::string_view>, 10> kNetworks{{
    {0x6969, "NFS"},
    {0x517B, "SMB"},
    {0xFF53'4D42, "CIFS"},
    {0xFE53'4D42, "SMB2"},
    {0x0102'1997, "9p"},
    {0x00C3'6400, "Ceph"},
    {0x5346'414F, "AFS"},
    {0x7375'7245, "Coda"},
    {0x564C, "NCP"},
    {0x0BD0'0BD0, "Lustre"},
}};

}  // namespace

std::optional<std::string> FileLock::take(const std::string& file) {
    release();
    const std::string path = file + "-lock";
    const int fd = open_file(path, O_RDWR | O_CREAT);
    if (fd < 0) {
        return "cannot open " + path + ": " + because_of(errno);
    }
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        std::array<char, 32> who{};
        const ssize_t bytes = ::read(fd, who.data(), who.size() - 1);
        std::string pid{who.data(), bytes > 0 ? static_cast<std::size_t>(bytes) : 0};
        pid.erase(pid.find_last_not_of("\n ") + 1);
        ::close(fd);
        return file + " is in use by process " + (pid.empty() ? "?" : pid);
    }
    const std::string pid = std::to_string(::getpid()) + "\n";
    // Only for people: that it could not be written is no reason to stop.
    if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, pid.data(), pid.size(), 0) < 0) {
        errno = 0;
    }
    fd_ = fd;
    return std::nullopt;
}

void FileLock::release() {
    if (fd_ >= 0) {
        ::close(fd_);
        fd_ = -1;
    }
}

std::optional<std::string> refuse_place(const std::string& file) {
    struct statfs place {};

    const std::string folder = folder_of(file);
    if (::statfs(folder.c_str(), &place) != 0) {
        return "cannot use the folder " + folder + ": " + because_of(errno);
    }
    for (const auto& [type, name] : kNetworks) {
        if (static_cast<std::uint32_t>(place.f_type) == type) {
            return folder + " is on a network file system (" + std::string{name} + ")";
        }
    }
    return std::nullopt;
}

std::optional<std::string> make_private(const std::string& file) {
    const int fd = open_file(file, O_RDWR | O_CREAT);
    if (fd < 0) {
        return "cannot open " + file + ": " + because_of(errno);
    }

    struct stat status {};

    const bool is_fine =
        ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
        ((status.st_mode & (S_IRWXG | S_IRWXO)) == 0 || ::fchmod(fd, kPrivate) == 0);
    const int error = errno;
    ::close(fd);
    if (is_fine) {
        return std::nullopt;
    }
    return S_ISREG(status.st_mode) ? "cannot make " + file + " private: " + because_of(error)
                                   : file + " is not a regular file";
}

std::optional<std::string> create_private(const std::string& file) {
    const int fd = open_file(file, O_WRONLY | O_CREAT | O_EXCL);
    if (fd < 0) {
        return "cannot create " + file + ": " + because_of(errno);
    }
    ::close(fd);
    return std::nullopt;
}

std::optional<std::string> set_aside(const std::string& file, std::int64_t unix_us) {
    constexpr std::int64_t kMicro = 1'000'000;
    const std::string name = file + ".corrupt-" + std::to_string(unix_us / kMicro);
    if (std::rename(file.c_str(), name.c_str()) != 0) {
        return std::nullopt;
    }
    for (const char* part : {"-wal", "-shm"}) {
        std::error_code ignored;  // there need not be one
        std::filesystem::rename(file + part, name + part, ignored);
    }
    return name;
}

std::string uri_of(const std::string& file) {
    constexpr std::string_view kPlain = "/._-~";
    constexpr std::string_view kHex = "0123456789ABCDEF";
    constexpr unsigned kNibble = 4;
    constexpr unsigned kNibbleMask = 15;
    std::string uri = "file:";
    for (const char c : file) {
        const auto byte = static_cast<unsigned char>(c);
        const bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                              (c >= 'A' && c <= 'Z') || kPlain.find(c) != std::string_view::npos;
        if (is_plain) {
            uri += c;
        } else {
            uri += '%';
            uri += kHex[byte >> kNibble];
            uri += kHex[byte & kNibbleMask];
        }
    }
    return uri;
}

std::uint64_t Ballast::make(std::uint64_t bytes) {
    constexpr std::uint64_t kLeast = std::uint64_t{256} << 10U;
    constexpr std::uint64_t kShare = 4;
    const int fd = open_file(path_, O_RDWR | O_CREAT);
    if (fd < 0) {
        return 0;
    }

    struct stat status {};

    struct statvfs room {};

    const bool is_known = ::fstat(fd, &status) == 0 && ::fstatvfs(fd, &room) == 0;
    const auto length = static_cast<std::uint64_t>(status.st_size);
    std::uint64_t made = 0;
    if (is_known && length >= kLeast) {
        made = length;
    } else if (is_known) {
        const std::uint64_t wanted =
            std::min(bytes, std::uint64_t{room.f_bavail} * room.f_frsize / kShare);
        const bool is_made =
            wanted >= kLeast && ::posix_fallocate(fd, 0, static_cast<off_t>(wanted)) == 0;
        made = is_made ? wanted : 0;
    }
    ::close(fd);
    if (made == 0) {
        give_up();  // half a ballast would take the last room
    }
    return made;
}

bool Ballast::give_up() {
    return ::unlink(path_.c_str()) == 0;
}

}  // namespace weir::ledger
