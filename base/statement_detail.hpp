#pragma once

#include <string>

namespace weir {

/// What is kept only of few statements: of slow ones, failed ones, and a sample of the others.
struct StatementDetail {
    std::string text;        ///< with its literals; "" unless policy.log_parameters
    std::string parameters;  ///< of its Bind, as text; the same
    std::string message;     ///< of its error
    std::string trace_id;    ///< 32 hexadecimal digits of a traceparent; "" = none
    std::string span_id;     ///< 16
    std::string client;      ///< its address
    std::string plan;        ///< EXPLAIN's JSON
};

}  // namespace weir
