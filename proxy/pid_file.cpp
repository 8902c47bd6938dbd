#include "proxy/pid_file.hpp"

#include "net/socket.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace weir::proxy {

std::unique_ptr<PidFile> PidFile::open(const std::string& path, std::string& problem) {
    constexpr mode_t kReadableByAll = 0644;
    net::Fd fd{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kReadableByAll)};
    if (!fd.is_open()) {
        problem = "cannot open the pid_file " + path + ": " + net::error_text(errno);
        return nullptr;
    }
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        problem = errno == EWOULDBLOCK
                      ? "another process holds the pid_file " + path
                      : "cannot lock the pid_file " + path + ": " + net::error_text(errno);
        return nullptr;
    }
    const std::string text = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd.get(), 0) != 0 ||
        ::pwrite(fd.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
        problem = "cannot write the pid_file " + path + ": " + net::error_text(errno);
        return nullptr;
    }
    return std::unique_ptr<PidFile>{new PidFile{path, std::move(fd)}};
}

PidFile::~PidFile() {
    ::unlink(path_.c_str());  // while it is still locked: it is ours
}

}  // namespace weir::proxy
