#include "ledger/backup.hpp"

#include "ledger/file_place.hpp"

#include <sqlite3.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <system_error>

namespace weir::ledger {

namespace {

/// @return what is in the way of a new, private file
std::optional<std::string> create(const std::string& file) {
    constexpr int kHow = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    const int fd =
        ::open(file.c_str(), kHow, S_IRUSR | S_IWUSR);  // NOLINT: the system's own signature
    if (fd < 0) {
        return "cannot create " + file + ": " +
               std::error_code{errno, std::generic_category()}.message();
    }
    ::close(fd);
    return std::nullopt;
}

}  // namespace

struct Backup::Running {
    Connection to;
    std::string file;
    sqlite3_backup* backup = nullptr;
};

Backup::Backup() = default;

Backup::~Backup() {
    stop();
}

std::optional<std::string> Backup::begin(Connection& from, const std::string& file) {
    if (is_running()) {
        return "another backup is under way";
    }
    if (auto problem = create(file)) {
        return problem;
    }
    auto running = std::make_unique<Running>();
    running->file = file;
    if (running->to.open(file, Connection::Mode::Write)) {
        running->backup = sqlite3_backup_init(running->to.handle(), "main", from.handle(), "main");
    }
    running_ = std::move(running);
    if (running_->backup == nullptr) {
        stop();
        return "cannot write " + file;
    }
    return std::nullopt;
}

std::optional<std::string> Backup::step() {
    constexpr int kPages = 256;
    const int code = sqlite3_backup_step(running_->backup, kPages);
    if (code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_LOCKED) {
        return std::nullopt;
    }
    if (code != SQLITE_DONE) {
        stop();
        return sqlite3_errstr(code);
    }
    const int end = sqlite3_backup_finish(running_->backup);
    running_->backup = nullptr;
    // A copy is one file: its own log would be a second.
    const bool is_well = end == SQLITE_OK && running_->to.execute("PRAGMA journal_mode = DELETE");
    if (!is_well) {
        stop();
        return "cannot end the copy";
    }
    running_.reset();
    return "";
}

void Backup::stop() {
    if (running_ == nullptr) {
        return;
    }
    sqlite3_backup_finish(running_->backup);
    running_->backup = nullptr;
    const std::string file = running_->file;
    running_.reset();
    ::unlink(file.c_str());
}

std::string copy_file(const std::string& from, const std::string& to) {
    Connection connection;
    if (::access(from.c_str(), R_OK) != 0) {
        return "cannot read " + from + ": " +
               std::error_code{errno, std::generic_category()}.message();
    }
    if (auto problem = create(to)) {
        return *problem;
    }
    if (connection.open(from, Connection::Mode::Read)) {
        connection.execute("PRAGMA busy_timeout = 2000");
        connection.use("VACUUM INTO ?").with(std::string_view{to}).run();
    }
    if (connection.is_well()) {
        return "";
    }
    ::unlink(to.c_str());
    return connection.trouble() ? connection.trouble()->text : "cannot read " + from;
}

}  // namespace weir::ledger
