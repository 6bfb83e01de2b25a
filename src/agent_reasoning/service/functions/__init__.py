from agent_reasoning.service.functions.functions import Call, FunctionInfo, Functions
from agent_reasoning.service.functions.sandbox import Ran, SandboxLimits

__all__ = ["Call", "FunctionInfo", "Functions", "Ran", "SandboxLimits"]
