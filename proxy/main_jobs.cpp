#include "proxy/main_jobs.hpp"

#include "base/log.hpp"
#include "ledger/reader.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <map>
#include <utility>
#include <variant>

namespace weir::proxy {

namespace {

using maintenance::Scheduler;
using maintenance::WallTime;
using std::chrono::milliseconds;

/// How long the ledger may take to open its file.
constexpr std::chrono::seconds kLedgerPatience{2};

constexpr const char* kLastSuccesses =
    "SELECT job, max(began) FROM job_run WHERE outcome IN ('done', 'skipped') GROUP BY job";

std::map<std::string, WallTime> last_successes(ledger::Ledger& ledger) {
    std::map<std::string, WallTime> successes;
    static_cast<void>(ledger.sync(kLedgerPatience));
    const std::string file = ledger.uri();
    ledger::Reader reader;
    if (file.empty() || reader.open(file)) {
        return successes;  // the ledger itself says what is wrong with it
    }
    const auto found = reader.select(kLastSuccesses);
    if (!found) {
        log::warn("job_memory", {{"why", reader.problem()}});
        return successes;
    }
    for (const auto& row : found->rows) {
        const auto* const job = std::get_if<std::string>(&row.at(0));
        const auto* const began = std::get_if<std::int64_t>(&row.at(1));
        if (job != nullptr && began != nullptr) {
            successes.emplace(
                *job,
                std::chrono::floor<milliseconds>(
                    std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>{
                        std::chrono::microseconds{*began}}));
        }
    }
    return successes;
}

std::atomic<Scheduler*>& ending() {
    static std::atomic<Scheduler*> scheduler{nullptr};
    return scheduler;
}

extern "C" void on_impatience(int /*signal*/) {
    if (Scheduler* const scheduler = ending().load()) {
        scheduler->cut();
    }
}

/// The loop that heard of signals has ended: from now on they mean that nobody wants to wait.
void heed_impatience(Scheduler& scheduler) {
    ending() = &scheduler;

    struct sigaction action {};

    action.sa_handler = &on_impatience;
    for (const int number : {SIGTERM, SIGINT, SIGQUIT}) {
        sigaction(number, &action, nullptr);
    }
}

}  // namespace

void MaintenanceJobs::on_sample(const status::Snapshot& snapshot, TimePoint now) {
    load_.sample(snapshot, now);
    follow();
}

void MaintenanceJobs::follow() {
    conf::ConfigPtr config = server_.config();
    if (config == followed_ || asked_at_) {
        return;
    }
    followed_ = std::move(config);
    if (scheduler_ != nullptr) {
        scheduler_->apply(followed_);
        return;
    }
    if (!followed_->maintenance.enabled) {
        return;
    }
    maintenance::SchedulerLinks links;
    links.load = [this] { return load_.load(); };
    if (ledger::Ledger* const ledger = ledger_; ledger != nullptr) {
        links.events = ledger;
        links.on_ended = [ledger](ledger::JobRun run) { ledger->note(std::move(run)); };
        links.last_successes = [ledger] { return last_successes(*ledger); };
    }
    scheduler_ = std::make_unique<Scheduler>(followed_, std::move(links));
}

void MaintenanceJobs::on_event(ServerEvent event) {
    switch (event) {
        case ServerEvent::Listening:
        case ServerEvent::ReloadBegan: return;
        case ServerEvent::ReloadEnded: follow(); return;
        case ServerEvent::DrainBegan:
            asked_at_ = Clock::now();
            if (scheduler_ != nullptr) {
                scheduler_->ask_to_stop();
            }
            return;
        case ServerEvent::CutShort: is_cut_short_ = true; return;
    }
}

control::Answer MaintenanceJobs::run_job(const std::string& name) {
    if (asked_at_) {
        return control::Answer::failed(sqlstate::kCannotConnectNow, "pooler is shutting down");
    }
    if (scheduler_ == nullptr) {
        return control::Answer::failed(sqlstate::kObjectNotInPrerequisiteState,
                                       "there are no jobs",
                                       "[maintenance] is not enabled.");
    }
    return scheduler_->run_job(name);
}

void MaintenanceJobs::add_to(status::Snapshot& snapshot) const {
    if (scheduler_ != nullptr) {
        scheduler_->add_to(snapshot);
    }
}

void MaintenanceJobs::stop() {
    if (scheduler_ == nullptr) {
        return;
    }
    milliseconds grace{};
    if (asked_at_ && !is_cut_short_) {
        const auto passed = std::chrono::floor<milliseconds>(Clock::now() - *asked_at_);
        grace = std::max(patience_ - passed, milliseconds{});
    }
    heed_impatience(*scheduler_);
    scheduler_->stop(grace);
    ending() = nullptr;
}

}  // namespace weir::proxy
