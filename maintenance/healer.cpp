#include "maintenance/healer.hpp"

#include "base/log.hpp"
#include "maintenance/connect_options.hpp"
#include "maintenance/identifier.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <iterator>
#include <string_view>
#include <utility>

namespace weir::maintenance {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// More rows than these wait for the next attempt of their clients.
constexpr std::size_t kWishesMax = 200;
/// What could not be made is not tried for every row that misses it.
constexpr seconds kTryAgainAfter{10};
constexpr std::size_t kFailedMax = 1'000;
/// A clock that is wrong, or one client's odd dates, must not fill the catalog.
constexpr std::size_t kMadePerHour = 60;
/// The connection is closed when nobody has missed anything for so long.
constexpr seconds kIdle{60};
/// All of an attempt: clients wait.
constexpr seconds kLimit{4};
/// And what each statement of it may take, where the ladder says nothing shorter.
constexpr const char* kLimits = "SET lock_timeout = '2s'; SET statement_timeout = '4s'";

/// Tells the log.
class LogReporter final : public Reporter {
public:
    void progress(const Progress& /*progress*/) override {}

    void note(std::string_view line) override { log::info("partition_healing", {{"what", line}}); }

    void warn(std::string_view line) override { log::warn("partition_healing", {{"what", line}}); }

    void statement(std::string_view sql, std::string_view /*locks*/) override {
        log::debug("partition_healing", {{"sql", sql}});
    }
};

}  // namespace

Healer::Healer(ConfigOf config_of, Make make, Told told)
    : config_of_{std::move(config_of)}, make_{std::move(make)}, told_{std::move(told)} {}

Healer::~Healer() {
    stop();
}

void Healer::stop() {
    {
        const std::lock_guard lock{mutex_};
        is_ending_ = true;
    }
    stop_.cut();
    something_.notify_one();
    if (thread_.joinable()) {  // nobody starts one any more
        thread_.join();
    }
}

bool Healer::was_just_tried(const Miss& miss, TimePoint now) {
    const auto found = failed_.find(miss);
    if (found == failed_.end()) {
        return false;
    }
    if (now - found->second < kTryAgainAfter) {
        return true;
    }
    failed_.erase(found);
    return false;
}

void Healer::heal(Miss miss, Done done) {
    if (!take(miss, done) && done) {
        done();
    }
}

/// @return false: nothing is going to be made, and who waits is to be told
bool Healer::take(Miss& miss, Done& done) {
    const std::lock_guard lock{mutex_};
    if (is_ending_) {
        done = {};  // nobody is told any more
        return true;
    }
    auto wish = std::find_if(
        wishes_.begin(), wishes_.end(), [&miss](const Wish& known) { return known.miss == miss; });
    if (wish == wishes_.end()) {
        if (wishes_.size() >= kWishesMax || was_just_tried(miss, Clock::now())) {
            return false;
        }
        wish = wishes_.emplace(wishes_.end());
        wish->miss = std::move(miss);
        if (!thread_.joinable()) {
            thread_ = std::thread{[this] { run(); }};
        }
        something_.notify_one();
    }
    if (done) {
        wish->waiting.push_back(std::move(done));
    }
    return true;
}

void Healer::run() {
    std::unique_lock lock{mutex_};
    while (!is_ending_) {
        if (wishes_.empty()) {
            const bool is_idle = something_.wait_for(lock, kIdle) == std::cv_status::timeout;
            if (is_idle && wishes_.empty()) {
                lock.unlock();
                db_.reset();
                lock.lock();
            }
            continue;
        }
        const Miss miss = wishes_.front().miss;
        lock.unlock();
        serve(miss);
        lock.lock();
        std::vector<Done> waiting = std::move(wishes_.front().waiting);
        wishes_.pop_front();
        if (is_ending_) {
            return;
        }
        lock.unlock();
        for (const Done& done : waiting) {
            done();
        }
        lock.lock();
    }
}

void Healer::serve(const Miss& miss) {
    const conf::ConfigPtr config = config_of_();
    const std::string table = miss.schema + "." + miss.table;
    const Answer<std::string> made = attempt(miss, *config);
    if (made) {
        if (!made_[table].insert_or_assign(*made, Clock::now()).second) {
            return;  // another key of the same partition was here first
        }
        log::info("partition_made", {{"table", table}, {"key", miss.key}, {"partition", *made}});
    } else {
        log::warn("partition_not_made",
                  {{"table", table}, {"key", miss.key}, {"reason", made.error().line()}});
        const std::lock_guard lock{mutex_};
        if (failed_.size() >= kFailedMax) {
            failed_.clear();
        }
        failed_[miss] = Clock::now();
    }
    if (told_) {
        told_(made.has_value(), table, made ? *made : made.error().line());
    }
}

/// What goes wrong unforeseen is one partition that is not made, no end of the process.
Answer<std::string> Healer::attempt(const Miss& miss, const conf::Config& config) {
    try {
        const bool is_used = db_.has_value();
        Answer<std::string> made = make(miss, config);
        // A connection that was idle may have been lost: that is known when it is used.
        const bool is_stale = is_used && db_ && !db_->is_alive();
        return !made && is_stale && !stop_.is_cut() ? make(miss, config) : made;
    } catch (const std::exception& unforeseen) {
        return problem(unforeseen.what());
    }
}

bool Healer::has_made_too_many(const std::string& table, TimePoint now) {
    std::map<std::string, TimePoint>& made = made_[table];
    for (auto one = made.begin(); one != made.end();) {
        one = now - one->second > std::chrono::hours{1} ? made.erase(one) : std::next(one);
    }
    return made.size() >= kMadePerHour;
}

Answer<const conf::PartitionSettings*> Healer::settings_of(const Miss& miss,
                                                           const conf::Config& config) {
    const Answer<Relation> missed =
        find_relation(*db_, quote_identifier(miss.schema) + "." + quote_identifier(miss.table));
    if (!missed) {
        return failed(missed.error());
    }
    for (const conf::PartitionSettings& settings : config.partitions) {
        if (!settings.heal) {
            continue;
        }
        const Answer<Relation> named = find_relation(*db_, settings.table);
        if (named && named->oid == missed->oid) {
            return &settings;
        }
    }
    return problem("is no table of a [[partition]] with heal = true");
}

Answer<void> Healer::connect(const conf::Config& config) {
    const conf::ConfigPtr now = config_of_();
    if (db_ && db_->is_alive() && connected_by_ == now) {
        return {};
    }
    db_.reset();
    const Answer<ConnectOptions> options = connect_options(config);
    if (!options) {
        return failed(options.error());
    }
    Answer<Connection> opened = Connection::open(*options, &stop_);
    if (!opened) {
        return failed(opened.error());
    }
    // Nothing may hold up whoever misses another partition: clients give up after a few seconds.
    if (const Answer<Rows> limited = opened->run(kLimits); !limited) {
        return failed(limited.error());
    }
    db_.emplace(std::move(*opened));
    connected_by_ = now;
    return {};
}

Answer<std::string> Healer::make(const Miss& miss, const conf::Config& config) {
    if (has_made_too_many(miss.schema + "." + miss.table, Clock::now())) {
        return problem(std::to_string(kMadePerHour) + " partitions of it were made within an hour",
                       "the rows' keys are odd, or ahead.max is too small");
    }
    if (const Answer<void> connected = connect(config); !connected) {
        return failed(connected.error());
    }
    const Answer<const conf::PartitionSettings*> settings = settings_of(miss, config);
    if (!settings) {
        return failed(settings.error());
    }
    LogReporter reporter;
    JobContext job{.db = *db_,
                   .settings = config.maintenance,
                   .stop = stop_,
                   .reporter = reporter,
                   .deadline = Clock::now() + kLimit};
    return make_(job, **settings, miss.key);
}

}  // namespace weir::maintenance
