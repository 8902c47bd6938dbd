#pragma once

#include "base/sqlstate.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

/// What an operator may order the process to do: given by the admin database, carried out by the
/// proxy.
namespace weir::control {

enum class Verb : std::uint8_t {
    Pause,
    Resume,
    Disable,
    Enable,
    Reconnect,
    Kill,
    KillClient,
    ResetBreaker,
    ClearCache,
    RunJob,
    Suspend,
    Shutdown,
    WaitClose,
    Reload,
    Set,
};

enum class ShutdownMode : std::uint8_t { Immediate, WaitForServers, WaitForClients };

struct Order {
    Verb verb{};
    std::string database;      ///< as clients call it; "" = all of them
    std::uint64_t client = 0;  ///< KillClient: the id of SHOW CLIENTS
    std::string member;        ///< ResetBreaker: its address as configured; "" = all of them
    std::string table;         ///< ClearCache: what was read from it; "" = all there is
    std::string pattern;       ///< ClearCache: of statements, * stands for any characters; "" = all
    std::string job;           ///< RunJob: its name
    std::string key;           ///< Set: Weir's name of a setting, or PgBouncer's
    std::string value;         ///< Set: as it would stand in the environment
    ShutdownMode shutdown = ShutdownMode::Immediate;
    /// Pause: it ends by itself this long after it was ordered.
    std::optional<std::chrono::milliseconds> timeout;
};

/// What became of an order.
struct Answer {
    bool is_done = true;
    SqlState sqlstate;  ///< of what went wrong
    std::string message;
    std::string detail;
    std::vector<std::string> notices;

    [[nodiscard]] static Answer failed(SqlState sqlstate,
                                       std::string message,
                                       std::string detail = {}) {
        return {false, sqlstate, std::move(message), std::move(detail), {}};
    }
};

/// Where the admin side gives its orders. Implemented by the proxy.
class Controller {
public:
    Controller() = default;
    Controller(const Controller&) = delete;
    Controller& operator=(const Controller&) = delete;
    Controller(Controller&&) = delete;
    Controller& operator=(Controller&&) = delete;
    virtual ~Controller() = default;

    using Done = std::function<void(Answer)>;

    /// @param done runs once, on some event loop's thread, when the order has been carried out,
    /// has failed or was withdrawn; must be quick. When the process ends first it is dropped
    /// uncalled.
    /// @return what withdraw() takes
    /// @thread any
    virtual std::uint64_t give(Order order, Done done) = 0;

    /// Nobody waits for that order any more: it is undone as far as it has not been carried out (a
    /// Pause that waits ends, a Suspend too), and answered with 57014. One that is answered already
    /// is left alone.
    /// @thread any
    virtual void withdraw(std::uint64_t order) = 0;
};

}  // namespace weir::control
