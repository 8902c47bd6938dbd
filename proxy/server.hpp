#pragma once

#include "base/control.hpp"
#include "base/status.hpp"
#include "conf/load.hpp"
#include "conf/model.hpp"
#include "net/event_loop.hpp"
#include "net/listener.hpp"
#include "net/signals.hpp"
#include "proxy/cluster_watches.hpp"
#include "proxy/control.hpp"
#include "proxy/reachability.hpp"
#include "proxy/shared_cache.hpp"
#include "proxy/worker.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace weir::proxy {

struct ServerOptions {
    std::string config_path;  ///< "" = environment only
    std::chrono::milliseconds drain_timeout{30'000};
    std::vector<net::Fd> sockets = {};  ///< that listen already: opened by the service manager
};

/// What the service manager is to hear of.
enum class ServerEvent : std::uint8_t {
    Listening,
    ReloadBegan,
    ReloadEnded,
    DrainBegan,
    CutShort,  ///< it ends now, whatever is under way
};

/// The control loop: listeners, signals, reload, drain, and the workers.
///
/// @thread made, run and destroyed by one thread; collect(), config() and reload() may be called
/// from any
class Server final : public status::StatusSource,
                     private ControlHost,
                     private net::DeadlineListener {
public:
    Server(ServerOptions options, conf::LoadResult loaded);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    Server(Server&&) = delete;
    Server& operator=(Server&&) = delete;
    ~Server() override;

    /// Who answers the admin database; before start().
    void set_consoles(ConsoleFactory* consoles) { shared_.consoles = consoles; }

    /// Where it is remembered what happens; outlives the server; before start().
    void set_ledger(ledger::Ledger& ledger);

    /// Makes partitions that rows miss; before start(), outlives this.
    void set_healing(PartitionHealing& healing) { shared_.healing = &healing; }

    /// Is given a snapshot every second, on the control loop's thread; before start().
    void set_on_sample(std::function<void(const status::Snapshot&)> on_sample) {
        on_sample_ = std::move(on_sample);
    }

    /// Adds to every snapshot what others know, on the control loop's thread; before start().
    void set_on_gathered(std::function<void(status::Snapshot&)> on_gathered) {
        on_gathered_ = std::move(on_gathered);
    }

    /// Is told of every event, on the control loop's thread; before start().
    void set_on_event(std::function<void(ServerEvent)> on_event) {
        on_event_ = std::move(on_event);
    }

    /// Who has jobs, and runs one by its name, on the control loop's thread; before start().
    void set_run_job(std::function<control::Answer(const std::string&)> run_job) {
        run_job_ = std::move(run_job);
    }

    /// Opens the listeners and starts the workers.
    /// @return "" or what is wrong, for a person
    [[nodiscard]] std::string start();
    /// Serves until a signal or the end of a drain.
    void run();

    /// Stops accepting and lets transactions finish; run() returns when all is done or at the
    /// deadline.
    void drain();

    void collect(status::Detail detail, std::function<void(status::Snapshot)> done) override;

    [[nodiscard]] conf::ConfigPtr config() const override { return std::atomic_load(&config_); }

    /// Runs what takes longer than an event loop has time for, for a console.
    /// @return false when too much is waiting. Thread: any
    [[nodiscard]] bool run_aside(std::function<void()> work) {
        return shared_.console_work.submit(std::move(work));
    }

    /// Where operators give their orders.
    [[nodiscard]] control::Controller& controller() { return control_; }

    [[nodiscard]] std::vector<Endpoint> endpoints() const;

private:
    [[nodiscard]] std::string open_listeners();
    void add_listener(std::unique_ptr<net::Listener> listener);
    void tell(ServerEvent event);
    void on_signal(int number);
    void reload(control::Controller::Done done) override;
    void set(const std::string& key,
             const std::string& value,
             control::Controller::Done done) override;
    [[nodiscard]] control::Answer reset_breaker(const std::string& member) override;
    [[nodiscard]] control::Answer clear_cache(const control::Order& order) override;
    [[nodiscard]] control::Answer run_job(const std::string& job) override;
    [[nodiscard]] control::Answer shut_down(control::ShutdownMode mode) override;

    [[nodiscard]] bool is_shutting_down() const override { return is_draining_ || is_leaving_; }

    void drain(DrainKind kind);
    void order_by_signal(control::Verb verb);
    [[nodiscard]] control::Answer apply(const conf::LoadResult& loaded, const TlsContextsPtr& tls);
    void end_reload(const control::Answer& answer);
    void prepare_cache();
    void settle_cache(const conf::Config& before);
    void warm_up();
    void add_cache(status::Cache& row) const;
    void add_redis(status::Cache& row) const;
    void put_in_force(conf::ConfigPtr config, const TlsContextsPtr& tls);
    void watch_files();
    void on_deadline(net::Deadline& deadline) override;
    void check_drained();
    void accept(net::Fd fd);
    struct Gathering;
    void gather(const std::shared_ptr<Gathering>& gathering, std::size_t index);
    void finish_gathering(Gathering& gathering);
    void add_databases(status::Snapshot& snapshot) const;
    void add_process(status::Snapshot& snapshot) const;
    [[nodiscard]] status::Database describe(const std::string& name,
                                            const conf::DatabaseSettings& database,
                                            const std::vector<status::Pool>& pools) const;

    ServerOptions options_;
    net::EventLoop loop_;
    std::string problem_;  // why start() will fail
    conf::ConfigPtr config_;
    std::vector<std::string> files_;
    Shared shared_;
    std::unique_ptr<SharedCache> shared_cache_;  // nullptr: this process keeps what it reads alone
    std::vector<std::unique_ptr<net::Listener>> listeners_;
    std::unique_ptr<net::Signals> signals_;
    std::unique_ptr<net::FileWatch> watch_;
    net::Deadline drain_deadline_{*this};
    net::Deadline sample_deadline_{*this};
    std::function<void(const status::Snapshot&)> on_sample_;
    std::function<void(status::Snapshot&)> on_gathered_;
    std::function<void(ServerEvent)> on_event_;
    std::function<control::Answer(const std::string&)> run_job_;
    ClusterWatches clusters_{loop_, [this](const pool::ClusterViewsPtr& views) {
                                 for (const auto& worker : shared_.workers) {
                                     worker->see(views);
                                 }
                             }};
    Reachability reachability_{loop_};
    Control control_{loop_, shared_, *this};
    std::vector<control::Controller::Done> reloading_;       // wait for the reload under way
    std::vector<control::Controller::Done> wanting_reload_;  // came too late for that one
    std::uint64_t turned_away_ = 0;                          // since the last sample
    bool is_draining_ = false;
    bool is_leaving_ = false;  // listens no more, and ends when the last client has gone
    bool is_reloading_ = false;
};

}  // namespace weir::proxy
