#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace weir::ledger {

/// Holds a file against other processes: FILE-lock beside it, locked (flock) and with the process
/// id in it. The lock ends with the process, whatever ends it.
class FileLock {
public:
    FileLock() = default;
    FileLock(const FileLock&) = delete;
    FileLock& operator=(const FileLock&) = delete;
    FileLock(FileLock&&) = delete;
    FileLock& operator=(FileLock&&) = delete;

    ~FileLock() { release(); }

    /// @return what is in the way, for people; nothing when it is held now
    [[nodiscard]] std::optional<std::string> take(const std::string& file);
    void release();

private:
    int fd_ = -1;
};

/// @return why a ledger cannot be there: the folder is missing or on a network file system, whose
/// locks and shared
///         memory SQLite's log cannot rely on
[[nodiscard]] std::optional<std::string> refuse_place(const std::string& file);

/// Creates the file if it is not there, and lets nobody but its owner read or write it.
///
/// @return what is in the way
[[nodiscard]] std::optional<std::string> make_private(const std::string& file);

/// Creates a file that must not exist, for its owner only.
///
/// @return what is in the way
[[nodiscard]] std::optional<std::string> create_private(const std::string& file);

/// Renames the file, its -wal and -shm to FILE.corrupt-TIME…
///
/// @return its new name; nothing when it could not be renamed
[[nodiscard]] std::optional<std::string> set_aside(const std::string& file, std::int64_t unix_us);

/// @return the path as SQLite's URI, so that no character of it is taken for anything else
[[nodiscard]] std::string uri_of(const std::string& file);

/// A file of nothing that is given up when the disk is full: what it takes is enough room for
/// deleting to work.
class Ballast {
public:
    explicit Ballast(const std::string& file) : path_{file + "-ballast"} {}

    /// Makes it, of real blocks: no longer than a quarter of what is free, and not shorter than 256
    /// KiB. One that is there already stays.
    ///
    /// @return how long it is; 0 = there is no room for it
    std::uint64_t make(std::uint64_t bytes);
    /// @return whether there was one
    bool give_up();

private:
    std::string path_;
};

}  // namespace weir::ledger
