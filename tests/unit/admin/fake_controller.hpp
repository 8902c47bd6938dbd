#pragma once

#include "base/control.hpp"

#include <utility>
#include <vector>

namespace weir::test {

/// Remembers what it was ordered and answers at once, or when the test says so.
class FakeController : public control::Controller {
public:
    bool is_held = false;
    control::Answer answer;
    std::vector<control::Order> orders;
    std::vector<std::uint64_t> withdrawn;

    std::uint64_t give(control::Order order, Done done) override {
        orders.push_back(std::move(order));
        if (is_held) {
            held_.push_back(std::move(done));
        } else {
            done(answer);
        }
        return orders.size();
    }

    void withdraw(std::uint64_t order) override {
        withdrawn.push_back(order);
        answer = control::Answer::failed(SqlState{"57014"}, "canceled by user request");
        answer_held();
    }

    void answer_held() {
        for (const auto& done : std::exchange(held_, {})) {
            done(answer);
        }
    }

private:
    std::vector<Done> held_;
};

}  // namespace weir::test
