#pragma once

#include "base/clock.hpp"
#include "base/control.hpp"
#include "conf/model.hpp"
#include "net/event_loop.hpp"
#include "proxy/holds.hpp"
#include "proxy/worker.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <string>

namespace weir::proxy {

/// What the control needs of the server for the orders that are the server's own business.
class ControlHost {
public:
    [[nodiscard]] virtual conf::ConfigPtr config() const = 0;
    virtual void reload(control::Controller::Done done) = 0;
    virtual void set(const std::string& key,
                     const std::string& value,
                     control::Controller::Done done) = 0;
    [[nodiscard]] virtual control::Answer reset_breaker(const std::string& member) = 0;
    [[nodiscard]] virtual control::Answer clear_cache(const control::Order& order) = 0;
    [[nodiscard]] virtual control::Answer run_job(const std::string& job) = 0;
    /// @return what to answer; never comes back for ShutdownMode::Immediate in any useful way
    [[nodiscard]] virtual control::Answer shut_down(control::ShutdownMode mode) = 0;
    [[nodiscard]] virtual bool is_shutting_down() const = 0;

protected:
    ~ControlHost() = default;
};

/// Carries out what operators order: keeps what holds now (PAUSE, DISABLE, …), tells every worker,
/// and waits for what has to come to pass first.
///
/// @thread lives on the control loop; give() and withdraw() may be called from any
class Control final : public control::Controller, private net::DeadlineListener {
public:
    Control(net::EventLoop& loop, Shared& shared, ControlHost& host)
        : loop_{loop}, shared_{shared}, host_{host}, holds_{std::make_shared<const Holds>()} {}

    std::uint64_t give(control::Order order, Done done) override;
    void withdraw(std::uint64_t order) override;

    /// @return what holds now. Thread: the control loop's
    [[nodiscard]] const Holds& holds() const { return *holds_; }

    /// Before the loop goes away.
    void stop() { tick_.clear(); }

private:
    /// An order that has been given and not been answered.
    struct Waiting {
        std::uint64_t id = 0;
        control::Order order;
        Done done;
        bool is_told = false;    ///< every worker knows
        bool is_asking = false;  ///< the workers how far they are
        TimePoint due = kNever;  ///< Suspend: what is unsent then is dropped
    };

    using Task = std::function<void(Worker&)>;

    void begin(std::uint64_t id, const control::Order& order, Done done);
    void pause(std::uint64_t id, const control::Order& order, Done done);
    void suspend(std::uint64_t id, const control::Order& order, Done done);
    [[nodiscard]] control::Answer resume(const control::Order& order);
    void switch_database(const control::Order& order, Done done);
    void reconnect(const control::Order& order, Done done);
    void kill(const control::Order& order, Done done);
    void kill_client(const control::Order& order, Done done);
    void wait(std::uint64_t id, const control::Order& order, Done done);

    [[nodiscard]] control::Answer problem_with(const control::Order& order) const;
    void end_hold(const std::string& database, const std::string& why);
    void give_up(const Waiting& waiting);
    void publish(const Holds& holds, const std::function<void()>& then);
    void tell_all(const Task& task, const std::function<void()>& then);
    void tell_told(std::uint64_t id);
    [[nodiscard]] Waiting* find(std::uint64_t id);
    void finish(std::uint64_t id, control::Answer answer);
    void look();
    void look_at(Waiting& waiting, TimePoint now);
    [[nodiscard]] unsigned open_backends(const std::string& database) const;
    void ask_workers(Waiting& waiting, std::function<bool(Worker&)> is_ready);
    void end_overdue(TimePoint now);
    void leave_nobody_suspended();
    void schedule();
    void on_deadline(net::Deadline& deadline) override;

    net::EventLoop& loop_;
    Shared& shared_;
    ControlHost& host_;
    HoldsPtr holds_;
    std::atomic<std::uint64_t> next_id_{1};
    std::list<Waiting> waiting_;
    std::map<std::string, TimePoint> ends_at_;  // PAUSE … TIMEOUT; "" = of all databases
    net::Deadline tick_{*this};
};

}  // namespace weir::proxy
