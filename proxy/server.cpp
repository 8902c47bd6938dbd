#include "proxy/server.hpp"

#include "base/log.hpp"
#include "base/random.hpp"
#include "conf/reload.hpp"
#include "ledger/ledger.hpp"
#include "proxy/descriptors.hpp"

#include <algorithm>
#include <csignal>
#include <map>
#include <set>
#include <span>
#include <tuple>
#include <utility>

namespace weir::proxy {

namespace {

constexpr std::chrono::seconds kSampleEvery{1};

/// Makes one row of the rows that the workers have of the same pool, and sorts the rows by
/// database, user and member.
void merge_pools(status::Snapshot& snapshot) {
    std::map<std::tuple<std::string, std::string, std::string>, status::Pool> merged;
    for (const status::Pool& row : snapshot.pools) {
        const auto [place, is_new] = merged.try_emplace({row.database, row.user, row.member}, row);
        if (!is_new) {
            place->second.add(row);
            place->second.open = std::max(place->second.open, row.open);  // all workers see all
        }
    }
    snapshot.pools.clear();
    for (auto& [key, row] : merged) {
        snapshot.pools.push_back(std::move(row));
    }
}

}  // namespace

Server::Server(ServerOptions options, conf::LoadResult loaded)
    : options_{std::move(options)},
      config_{std::move(loaded.config)},
      files_{std::move(loaded.files)} {
    if (TlsOpened opened = open_tls(*config_, loaded); opened.contexts != nullptr) {
        shared_.tls = std::move(opened.contexts);
    } else {
        problem_ = opened.problems.front().text();
    }
    fill_random(shared_.mock_secret);
    fill_random(std::as_writable_bytes(std::span{&shared_.instance, 1}));
    fill_random(shared_.cancel_secret);
    shared_.on_worker_empty = [this] { loop_.post([this] { check_drained(); }); };
    shared_.on_server_trouble = [this](const std::string& cluster) {
        loop_.post([this, cluster] { clusters_.hurry(cluster); });
    };
}

Server::~Server() {
    watch_.reset();
    signals_.reset();
    for (const int number : {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2}) {
        std::signal(number, SIG_IGN);  // the end has begun: asking again must not tear it
    }
    listeners_.clear();
    drain_deadline_.clear();
    sample_deadline_.clear();
    control_.stop();
    shared_.background.stop();
    shared_.console_work.stop();
    for (const auto& worker : shared_.workers) {
        worker->stop();
    }
    if (shared_.all_stopped != nullptr) {
        shared_.all_stopped->count_down();  // no loop goes away while it is still being told to
    }
    shared_.workers.clear();
}

void Server::set_ledger(ledger::Ledger& ledger) {
    shared_.ledger = &ledger;
    shared_.events = &ledger;
}

std::string Server::start() {
    if (!problem_.empty()) {
        return problem_;
    }
    check_descriptor_limit(*config_);
    // Before anybody can know that we are here: a signal must not meet its default action.
    signals_ = std::make_unique<net::Signals>(
        loop_,
        std::initializer_list<int>{SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2},
        [this](int number) { on_signal(number); });
    const conf::Config& config = *config_;
    if (std::string problem = open_listeners(); !problem.empty()) {
        return problem;
    }
    shared_.all_stopped =
        std::make_unique<std::latch>(static_cast<std::ptrdiff_t>(config.listen.threads) + 1);
    prepare_cache();
    shared_.workers.reserve(config.listen.threads);
    for (unsigned i = 0; i < config.listen.threads; ++i) {
        shared_.workers.push_back(std::make_unique<Worker>(shared_, i, config_));
    }
    clusters_.apply(config);
    warm_up();
    watch_files();
    reachability_.update(config, {});
    loop_.set_deadline(sample_deadline_, loop_.now() + kSampleEvery);
    tell(ServerEvent::Listening);
    return {};
}

void Server::tell(ServerEvent event) {
    if (on_event_) {
        on_event_(event);
    }
}

void Server::run() {
    loop_.run();
}

void Server::accept(net::Fd fd) {
    Worker* least = shared_.workers.front().get();
    std::uint64_t connections = 0;
    for (const auto& worker : shared_.workers) {
        connections += worker->load();
        if (worker->load() < least->load()) {
            least = worker.get();
        }
    }
    if (connections >= client_connections_max(*config_)) {
        ++turned_away_;
        return;  // closes it; an answer would need a place to wait for its request
    }
    least->add_client(std::move(fd));
}

std::vector<Endpoint> Server::endpoints() const {
    std::vector<Endpoint> endpoints;
    for (const auto& listener : listeners_) {
        endpoints.push_back(listener->endpoint());
    }
    return endpoints;
}

void Server::on_signal(int number) {
    switch (number) {
        case SIGHUP:
            log::reopen();
            reload(nullptr);
            return;
        case SIGUSR1: order_by_signal(control::Verb::Pause); return;
        case SIGUSR2: order_by_signal(control::Verb::Resume); return;
        case SIGTERM:
        case SIGINT:
            if (is_draining_) {
                log::info("drain_cut_short");
                tell(ServerEvent::CutShort);
                loop_.stop();
                return;
            }
            drain();
            return;
        default:
            log::info("stopping", {{"signal", number}});
            tell(ServerEvent::CutShort);
            loop_.stop();
            return;
    }
}

void Server::watch_files() {
    if (!config_->watch || files_.empty()) {
        return;
    }
    if (watch_ == nullptr) {
        watch_ = std::make_unique<net::FileWatch>(loop_, files_, [this] { reload(nullptr); });
    } else {
        watch_->set_files(files_);  // a new watch would take what changed since it was read for old
    }
}

void Server::on_deadline(net::Deadline& deadline) {
    if (&deadline == &sample_deadline_) {
        collect(status::Detail::Pools, [this](const status::Snapshot& snapshot) {
            reachability_.update(*config_, snapshot);
            if (on_sample_) {
                on_sample_(snapshot);
            }
        });
        if (turned_away_ > 0) {
            log::warn("connections_turned_away", {{"count", std::exchange(turned_away_, 0)}});
        }
        loop_.set_deadline(sample_deadline_, loop_.now() + kSampleEvery);
        return;
    }
    log::warn("drain_timed_out", {{"clients", shared_.clients.load()}});
    loop_.stop();
}

/// A snapshot on its way: it is passed from worker to worker, so it is never shared.
struct Server::Gathering {
    status::Snapshot snapshot;
    status::Detail detail{};
    std::function<void(status::Snapshot)> done;
};

void Server::collect(status::Detail detail, std::function<void(status::Snapshot)> done) {
    auto gathering = std::make_shared<Gathering>();
    gathering->detail = detail;
    gathering->done = std::move(done);
    loop_.post([this, gathering] { gather(gathering, 0); });
}

void Server::gather(const std::shared_ptr<Gathering>& gathering, std::size_t index) {
    if (index == shared_.workers.size()) {
        loop_.post([this, gathering] { finish_gathering(*gathering); });
        return;
    }
    shared_.workers[index]->post([this, gathering, index](Worker& worker) {
        worker.add_to(gathering->snapshot, gathering->detail);
        gather(gathering, index + 1);
    });
}

void Server::finish_gathering(Gathering& gathering) {
    gathering.snapshot.draining = gathering.snapshot.draining || is_shutting_down();
    merge_pools(gathering.snapshot);
    add_databases(gathering.snapshot);
    add_process(gathering.snapshot);
    if (on_gathered_) {
        on_gathered_(gathering.snapshot);
    }
    gathering.done(std::move(gathering.snapshot));
}

status::Database Server::describe(const std::string& name,
                                  const conf::DatabaseSettings& database,
                                  const std::vector<status::Pool>& pools) const {
    const Endpoint& server = config_->cluster_of(database).members.front().address;
    const conf::PoolSettings settings = config_->pool_for(name, database.user);
    status::Database row;
    row.name = name;
    row.host = server.kind == Endpoint::Kind::Tcp ? server.host : server.path;
    row.port = server.port;
    row.dbname = database.dbname.empty() ? name : database.dbname;
    row.force_user = database.user;
    row.pool_size = settings.max;
    row.min_pool_size = settings.min;
    row.reserve = settings.reserve;
    row.max_client_connections = database.max_clients;
    row.mode = conf::name_of(settings.mode);
    row.is_paused = control_.holds().paused.contains(name);
    row.is_disabled = control_.holds().disabled.contains(name);
    row.max_lifetime_s =
        std::chrono::duration_cast<std::chrono::seconds>(settings.max_lifetime).count();
    for (const status::Pool& pool : pools) {
        if (pool.database == name) {
            row.connections += pool.open;
            row.client_connections +=
                pool.clients_active + pool.clients_idle + pool.clients_waiting;
        }
    }
    return row;
}

void Server::add_databases(status::Snapshot& snapshot) const {
    std::set<std::string> names;
    for (const auto& [name, database] : config_->databases) {
        if (name != "*") {
            names.insert(name);
        }
    }
    for (const status::Pool& pool : snapshot.pools) {
        names.insert(pool.database);
    }
    for (const std::string& name : names) {
        if (const auto* database = config_->find_database(name); database != nullptr) {
            snapshot.databases.push_back(describe(name, *database, snapshot.pools));
        }
    }
    for (const auto& [name, database] : config_->databases) {
        const conf::ClusterSettings& cluster = config_->cluster_of(database);
        const auto view = clusters_.views()->find(cluster.name);
        const std::string problem = view == clusters_.views()->end()
                                        ? reachability_.problem_of(cluster.name)
                                        : proxy::problem_of(*view->second, cluster);
        if (!problem.empty()) {
            std::string line = name;
            snapshot.not_ready.push_back(line.append(": ").append(problem));
        }
    }
    snapshot.users = config_->users.size();
    snapshot.workers = shared_.workers.size();
}

void Server::add_process(status::Snapshot& snapshot) const {
    add_cache(snapshot.cache);
    snapshot.clients_max = config_->listen.max_clients;
    add_members(*clusters_.views(), snapshot);
    snapshot.paused = control_.holds().is_paused;
    snapshot.suspended = control_.holds().is_suspended;
    for (const auto& listener : listeners_) {
        const Endpoint& endpoint = listener->endpoint();
        const bool is_tcp = endpoint.kind == Endpoint::Kind::Tcp;
        snapshot.listeners.push_back(
            {listener->fd(), is_tcp ? endpoint.host : endpoint.path, endpoint.port});
    }
    std::uint64_t clients = 0;
    for (const auto& worker : shared_.workers) {
        clients += worker->load();
    }
    std::uint64_t backends = 0;
    for (const status::Pool& pool : snapshot.pools) {
        backends += pool.open;
    }
    snapshot.memory = {
        {"client_cache", sizeof(ClientSession), clients},
        {"server_cache", sizeof(pool::Backend), backends},
        {"pool_cache", sizeof(pool::Pool), snapshot.pools.size() * shared_.workers.size()},
        {"iobuf_cache", net::EventLoop::kReadBufferBytes, shared_.workers.size() + 1},
    };
}

}  // namespace weir::proxy
