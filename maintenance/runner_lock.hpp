#pragma once

#include "maintenance/connection.hpp"

#include <cstdint>
#include <string_view>
#include <utility>

namespace weir::maintenance {

/// The right to run one job, among all Weirs of a database: a session-level advisory lock on the
/// connection that does the job's work. So it cannot outlive what it protects, nor the work the
/// lock: a connection that is lost loses both at once, and while the server still carries out what
/// was sent on it, nobody else gets the lock.
///
/// In pg_locks: classid 1347899184, objid key_of(job), objsubid 2.
class RunnerLock {
public:
    /// @param job unique in its database: "partition public.events"
    /// @return not held where another session has it
    [[nodiscard]] static Answer<RunnerLock> try_take(Connection& connection, std::string_view job);

    RunnerLock(RunnerLock&& other) noexcept
        : connection_{std::exchange(other.connection_, nullptr)}, key_{other.key_} {}

    RunnerLock& operator=(RunnerLock&&) = delete;
    RunnerLock(const RunnerLock&) = delete;
    RunnerLock& operator=(const RunnerLock&) = delete;
    /// Gives it back.
    ~RunnerLock();

    [[nodiscard]] bool is_held() const { return connection_ != nullptr; }

    [[nodiscard]] static std::int32_t key_of(std::string_view job);

private:
    RunnerLock(Connection* connection, std::int32_t key) : connection_{connection}, key_{key} {}

    Connection* connection_;  // null = not held
    std::int32_t key_;
};

}  // namespace weir::maintenance
