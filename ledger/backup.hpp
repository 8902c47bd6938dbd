#pragma once

#include "ledger/connection.hpp"

#include <memory>
#include <optional>
#include <string>

namespace weir::ledger {

/// A copy of the ledger, made in steps between the writer's batches and on its connection: what it
/// writes meanwhile goes into the copy too, where another connection's writes would make it begin
/// again.
///
/// Thread: the writer's.
class Backup {
public:
    Backup();
    Backup(const Backup&) = delete;
    Backup& operator=(const Backup&) = delete;
    Backup(Backup&&) = delete;
    Backup& operator=(Backup&&) = delete;
    ~Backup();

    /// @param file must not exist; it is private to its owner
    /// @return what is in the way
    [[nodiscard]] std::optional<std::string> begin(Connection& from, const std::string& file);

    [[nodiscard]] bool is_running() const { return running_ != nullptr; }

    /// Copies a megabyte.
    ///
    /// @return nothing while there is more; then "" or what went wrong: the file is gone again
    [[nodiscard]] std::optional<std::string> step();

    /// Gives up, and deletes the file.
    void stop();

private:
    struct Running;
    std::unique_ptr<Running> running_;
};

/// Copies a ledger that this process does not write, compacted; its writer may be at work.
///
/// @param from the file of the ledger
/// @param to must not exist
/// @return "" or what went wrong
[[nodiscard]] std::string copy_file(const std::string& from, const std::string& to);

}  // namespace weir::ledger
