#include "maintenance/runner_lock.hpp"

#define XXH_INLINE_ALL  // NOLINT(readability-identifier-naming): the library's
#include <xxhash.h>

#include <string>

namespace weir::maintenance {

namespace {

constexpr std::int32_t kClass = 1347899184;

std::string call(const char* function, std::int32_t key) {
    return std::string{"SELECT pg_catalog."} + function + "(" + std::to_string(kClass) + ", " +
           std::to_string(key) + ")";
}

}  // namespace

std::int32_t RunnerLock::key_of(std::string_view job) {
    return static_cast<std::int32_t>(XXH3_64bits(job.data(), job.size()));
}

Answer<RunnerLock> RunnerLock::try_take(Connection& connection, std::string_view job) {
    const std::int32_t key = key_of(job);
    const Answer<Rows> taken = connection.run(call("pg_try_advisory_lock", key));
    if (!taken) {
        return failed(taken.error());
    }
    return RunnerLock{taken->flag(0, 0) ? &connection : nullptr, key};
}

RunnerLock::~RunnerLock() {
    if (connection_ != nullptr && connection_->is_alive()) {
        static_cast<void>(connection_->run(call("pg_advisory_unlock", key_)));
    }
}

}  // namespace weir::maintenance
