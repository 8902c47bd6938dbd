#pragma once

#include "base/clock.hpp"
#include "conf/model.hpp"
#include "maintenance/connection.hpp"
#include "maintenance/job.hpp"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

namespace weir::maintenance {

/// Makes, at once, the partition that a client's row has not found. A thread of its own, so that
/// nobody waits for another job; clients that miss the same are served by one attempt.
///
/// @thread any; heal() never blocks for more than a moment
class Healer {
public:
    using Done = std::function<void()>;
    using ConfigOf = std::function<conf::ConfigPtr()>;
    /// Makes the partition of that table which holds the key; "" = what is missing of its horizon.
    /// @return its name
    using Make = std::function<Answer<std::string>(
        JobContext&, const conf::PartitionSettings&, const std::string& key)>;
    using Told =
        std::function<void(bool is_made, const std::string& table, const std::string& text)>;

    /// What was missed.
    struct Miss {
        std::string schema;
        std::string table;
        std::string key;  ///< as the server wrote it; "" = it did not say

        bool operator==(const Miss&) const = default;

        bool operator<(const Miss& other) const {
            return std::tie(schema, table, key) < std::tie(other.schema, other.table, other.key);
        }
    };

    /// @param config_of the configuration in force
    /// @param told runs on the healer's thread for each partition made, and for each that was not
    Healer(ConfigOf config_of, Make make, Told told);
    Healer(const Healer&) = delete;
    Healer& operator=(const Healer&) = delete;
    Healer(Healer&&) = delete;
    Healer& operator=(Healer&&) = delete;
    ~Healer();

    /// @param done runs once, on the healer's thread or at once, when it is made or is not going to
    /// be; not after stop()
    void heal(Miss miss, Done done);
    /// Ends the thread; what is under way is cancelled. May be called twice.
    void stop();

private:
    struct Wish {
        Miss miss;
        std::vector<Done> waiting;
    };

    [[nodiscard]] bool take(Miss& miss, Done& done);
    void run();
    void serve(const Miss& miss);
    [[nodiscard]] Answer<std::string> attempt(const Miss& miss, const conf::Config& config);
    [[nodiscard]] Answer<std::string> make(const Miss& miss, const conf::Config& config);
    [[nodiscard]] Answer<void> connect(const conf::Config& config);
    [[nodiscard]] Answer<const conf::PartitionSettings*> settings_of(const Miss& miss,
                                                                     const conf::Config& config);
    [[nodiscard]] bool was_just_tried(const Miss& miss, TimePoint now);
    [[nodiscard]] bool has_made_too_many(const std::string& table, TimePoint now);

    const ConfigOf config_of_;
    const Make make_;
    const Told told_;
    StopSignal stop_;

    std::mutex mutex_;  // guards what follows, up to thread_
    std::condition_variable something_;
    std::deque<Wish> wishes_;  // the first is being served while is_serving_
    bool is_serving_ = false;
    bool is_ending_ = false;
    std::map<Miss, TimePoint> failed_;  // and is not tried again for a while

    // The thread's own:
    std::optional<Connection> db_;
    conf::ConfigPtr connected_by_;
    std::map<std::string, std::map<std::string, TimePoint>> made_;  // by table, of the last hour

    std::thread thread_;  // from the first miss on
};

}  // namespace weir::maintenance
