#include "proxy/main_service.hpp"

#include "base/log.hpp"
#include "net/service.hpp"

namespace weir::proxy {

namespace {

/// Samples come every second: a watchdog that is to hear from us more often would always bite.
constexpr std::chrono::seconds kShortestWatchdog{3};

std::string status_of(const status::Snapshot& snapshot) {
    std::uint64_t clients = 0;
    std::uint64_t waiting = 0;
    std::uint64_t backends = 0;
    for (const status::Pool& pool : snapshot.pools) {
        clients += pool.clients_active + pool.clients_idle + pool.clients_waiting;
        waiting += pool.clients_waiting;
        backends += pool.open;
    }
    std::string text = snapshot.draining ? "draining: " : "";
    text += std::to_string(clients) + " clients (" + std::to_string(waiting) + " waiting), " +
            std::to_string(backends) + " server connections";
    if (!snapshot.not_ready.empty()) {
        text += "; not ready: " + snapshot.not_ready.front();
    }
    return text;
}

}  // namespace

ServiceReport::ServiceReport() : watchdog_{net::watchdog_interval()} {
    if (watchdog_.count() > 0 && watchdog_ < kShortestWatchdog) {
        log::warn("watchdog_too_short",
                  {{"us", watchdog_.count()}, {"least_s", kShortestWatchdog.count()}});
    }
}

void ServiceReport::on_event(ServerEvent event) {
    switch (event) {
        case ServerEvent::Listening: net::notify_ready("listening"); return;
        case ServerEvent::ReloadBegan: net::notify_reloading(); return;
        case ServerEvent::ReloadEnded:
            if (!is_stopping_) {
                net::notify_ready(status_.empty() ? "listening" : status_);
            }
            return;
        case ServerEvent::DrainBegan:
            is_stopping_ = true;
            net::notify_stopping("draining");
            return;
        case ServerEvent::CutShort: return;
    }
}

void ServiceReport::on_sample(const status::Snapshot& snapshot, TimePoint now) {
    if (watchdog_.count() > 0 && now >= next_alive_) {
        // Half the time, as sd_watchdog_enabled(3) asks for; less what the next sample takes.
        next_alive_ =
            now + std::chrono::duration_cast<Duration>(watchdog_ / 2) - std::chrono::seconds{1};
        net::notify_alive();
    }
    if (std::string status = status_of(snapshot); status != status_) {
        status_ = std::move(status);
        net::notify_status(status_);
    }
}

}  // namespace weir::proxy
