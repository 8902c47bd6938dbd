#pragma once

#include <cstdint>
#include <string>

/// What happens to the process as a whole and is to be remembered: told by whoever sees it, kept by
/// whoever was given the task.
namespace weir::events {

enum class Severity : std::uint8_t { Info, Warning, Error };

/// "breaker", "failover", "reload", "pool", "alert", "ledger", "partition", "process": what an
/// event is about.
struct Event {
    std::string kind;
    std::string object;  ///< a member, a pool, a file
    Severity severity = Severity::Info;
    std::string what;  ///< one line for people
    std::string data;  ///< JSON, or ""
};

/// What somebody did that changes who may do what: DDL, GRANT, roles, orders of operators.
struct Deed {
    std::string who;     ///< the user
    std::string from;    ///< the client's address
    std::string action;  ///< the first words: "CREATE TABLE", "PAUSE"
    std::string object;  ///< the database
    std::string text;    ///< without literals
};

/// Takes events from any thread, and never makes it wait.
class Sink {
public:
    Sink() = default;
    Sink(const Sink&) = delete;
    Sink& operator=(const Sink&) = delete;
    Sink(Sink&&) = delete;
    Sink& operator=(Sink&&) = delete;
    virtual ~Sink() = default;

    virtual void note(Event event) = 0;
    virtual void note(Deed deed) = 0;
};

}  // namespace weir::events
