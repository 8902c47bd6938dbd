// The part of Server that changes how it runs: reload, SET, drain, shutdown.

#include "base/log.hpp"
#include "conf/change.hpp"
#include "conf/reload.hpp"
#include "proxy/descriptors.hpp"
#include "proxy/server.hpp"

#include <algorithm>
#include <utility>

namespace weir::proxy {

using control::Answer;

/// Reads the configuration off the loop, then swaps it in as a whole, or not at all.
/// @param done may be empty
void Server::reload(control::Controller::Done done) {
    if (is_reloading_) {
        wanting_reload_.push_back(std::move(done));  // the file may have changed since it was read
        return;
    }
    is_reloading_ = true;
    tell(ServerEvent::ReloadBegan);
    reloading_.push_back(std::move(done));
    auto work = [this, path = options_.config_path] {
        auto loaded =
            std::make_shared<conf::LoadResult>(conf::load(path, conf::Environment::of_process()));
        TlsContextsPtr tls;
        if (loaded->config != nullptr) {
            TlsOpened opened = open_tls(*loaded->config, *loaded);
            tls = std::move(opened.contexts);
            loaded->problems = std::move(opened.problems);
        }
        loop_.post([this, loaded, tls] { end_reload(apply(*loaded, tls)); });
    };
    if (!shared_.background.submit(std::move(work))) {
        log::error("reload_failed", {{"reason", "too much work is waiting; try again"}});
        end_reload(
            Answer::failed(sqlstate::kProgramLimitExceeded, "too much work is waiting; try again"));
    }
}

Answer Server::reset_breaker(const std::string& member) {
    if (clusters_.reset_breaker(member) || member.empty()) {
        return {};
    }
    return Answer::failed(sqlstate::kUndefinedObject,
                          "no cluster of several members has \"" + member + '"',
                          "SHOW BREAKERS lists them.");
}

Answer Server::run_job(const std::string& job) {
    if (run_job_) {
        return run_job_(job);
    }
    return Answer::failed(sqlstate::kObjectNotInPrerequisiteState, "there are no jobs");
}

void Server::end_reload(const Answer& answer) {
    is_reloading_ = false;
    tell(ServerEvent::ReloadEnded);
    for (const auto& done : std::exchange(reloading_, {})) {
        if (done) {
            done(answer);
        }
    }
    auto wanting = std::exchange(wanting_reload_, {});
    for (auto& done : wanting) {
        reload(std::move(done));
    }
}

Answer Server::apply(const conf::LoadResult& loaded, const TlsContextsPtr& tls) {
    std::string problems;
    for (const conf::Problem& problem : loaded.problems) {
        log::error("reload_failed", {{"problem", problem.text()}});
        problems += (problems.empty() ? "" : "\n") + problem.text();
    }
    if (loaded.config == nullptr || tls == nullptr) {
        return Answer::failed(sqlstate::kConfigFileError,
                              "RELOAD failed: " + loaded.problems.front().text(),
                              loaded.problems.size() > 1 ? problems : std::string{});
    }
    Answer answer;
    const conf::ReloadPlan plan = conf::compare(*config_, *loaded.config);
    for (const std::string& key : plan.needs_restart) {
        log::warn("reload_needs_restart", {{"key", key}});
        answer.notices.push_back(key + " has changed: this takes effect after a restart");
    }
    for (const std::string& note : loaded.notes) {
        log::warn("config_note", {{"note", note}});
        answer.notices.push_back(note);
    }
    auto next = std::make_shared<conf::Config>(*loaded.config);
    next->listen.addresses =
        config_->listen.addresses;  // what a restart is needed for stays as it runs
    next->listen.threads = config_->listen.threads;
    next->listen.proxy_protocol = config_->listen.proxy_protocol;
    next->http = config_->http;
    next->admin.database = config_->admin.database;
    next->admin.admins = config_->admin.admins;
    next->admin.viewers = config_->admin.viewers;
    next->watch = config_->watch;
    put_in_force(std::move(next), tls);
    files_ = loaded.files;
    watch_files();
    log::info("reloaded",
              {{"changed", plan.changed.size()}, {"needs_restart", plan.needs_restart.size()}});
    return answer;
}

void Server::put_in_force(conf::ConfigPtr config, const TlsContextsPtr& tls) {
    const conf::ConfigPtr before = config_;
    std::atomic_store(&config_, std::move(config));
    std::atomic_store(&shared_.tls, tls);
    prepare_cache();
    log::set_level(config_->log.level);
    check_descriptor_limit(*config_);
    for (const auto& worker : shared_.workers) {
        worker->apply(config_);
    }
    settle_cache(*before);
    clusters_.apply(*config_);
}

void Server::set(const std::string& key, const std::string& value, control::Controller::Done done) {
    conf::Change change = conf::change(*config_, key, value);
    if (change.config == nullptr) {
        done(Answer::failed(change.sqlstate, std::move(change.problem)));
        return;
    }
    TlsContextsPtr tls = shared_.tls;
    if (key.starts_with("tls.") || key.find(".tls.") != std::string::npos) {
        TlsOpened opened = open_tls(*change.config, {});
        if (opened.contexts == nullptr) {
            done(Answer::failed(sqlstate::kConfigFileError, opened.problems.front().text()));
            return;
        }
        tls = std::move(opened.contexts);
    }
    log::info("setting_changed", {{"key", key}});  // the value may be a secret
    put_in_force(std::move(change.config), tls);
    done({});
}

Answer Server::shut_down(control::ShutdownMode mode) {
    switch (mode) {
        case control::ShutdownMode::Immediate:
            log::info("stopping", {{"order", "SHUTDOWN"}});
            loop_.stop();
            return {};
        case control::ShutdownMode::WaitForServers:
            if (is_draining_) {
                return Answer::failed(sqlstate::kCannotConnectNow, "pooler is shutting down");
            }
            drain(DrainKind::Order);
            return {};
        case control::ShutdownMode::WaitForClients:
            if (is_draining_ || is_leaving_) {
                return Answer::failed(sqlstate::kCannotConnectNow, "pooler is shutting down");
            }
            is_leaving_ = true;
            tell(ServerEvent::DrainBegan);
            log::info("leaving", {{"clients", shared_.clients.load()}});
            listeners_.clear();
            for (const auto& worker : shared_.workers) {
                worker->tell_when_empty();
            }
            return {};
    }
    return {};
}

void Server::drain() {
    if (!is_draining_) {
        loop_.set_deadline(drain_deadline_, deadline_after(Clock::now(), options_.drain_timeout));
        drain(DrainKind::Signal);
    }
}

/// By order of an operator there is no deadline: another order, or a signal, cuts it short.
void Server::drain(DrainKind kind) {
    is_draining_ = true;
    tell(ServerEvent::DrainBegan);
    log::info(
        "draining",
        {{"clients", shared_.clients.load()}, {"timeout_ms", options_.drain_timeout.count()}});
    listeners_.clear();
    for (const auto& worker : shared_.workers) {
        worker->drain(kind);
    }
}

void Server::check_drained() {
    const bool is_empty =
        std::all_of(shared_.workers.begin(), shared_.workers.end(), [](const auto& worker) {
            return worker->load() == worker->consoles();
        });
    if (is_shutting_down() && is_empty) {
        log::info("drained");
        loop_.stop();
    }
}

/// USR1 and USR2 are PAUSE and RESUME with nobody to answer to.
void Server::order_by_signal(control::Verb verb) {
    control::Order order;
    order.verb = verb;
    control_.give(std::move(order), [verb](const Answer& answer) {
        const std::string what = verb == control::Verb::Pause ? "PAUSE" : "RESUME";
        if (answer.is_done) {
            log::info("signal_obeyed", {{"order", what}});
        } else {
            log::warn("signal_refused", {{"order", what}, {"reason", answer.message}});
        }
    });
}

}  // namespace weir::proxy
