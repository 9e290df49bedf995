@echo off
rem The utility script of Image Serving, as it is documented: start, stop, restart, restart ps^|is^|svg, status.
rem Everything is done by s7ctl.exe, which lies beside this file.
setlocal
if /i "%~1"=="start" goto known
if /i "%~1"=="stop" goto known
if /i "%~1"=="restart" goto known
if /i "%~1"=="status" goto known
echo usage: %~n0 {start^|stop^|restart^|status} [COMPONENT ...] 1>&2
exit /b 2

:known
if not exist "%~dp0s7ctl.exe" goto missing
"%~dp0s7ctl.exe" %*
exit /b %ERRORLEVEL%

:missing
echo error: %~dp0s7ctl.exe is missing; %~nx0 belongs beside it 1>&2
exit /b 1
