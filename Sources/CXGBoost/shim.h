#pragma once
#include <stdbool.h>
#include <xgboost/c_api.h>
