# trine serve without torch: onnxruntime, numpy, Pillow and the server. From the root of the repository:
#   docker build --file docs/guides/serve.Dockerfile --tag trine-serve .
FROM python:3.13-slim
COPY pyproject.toml constraints.txt README.md LICENSE /trine/
COPY src /trine/src
RUN pip install --no-cache-dir --constraint /trine/constraints.txt '/trine[serve]' && useradd --create-home serve
USER serve
EXPOSE 8080
HEALTHCHECK CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/v2/health/ready')"]
ENTRYPOINT ["trine", "serve", "--host", "0.0.0.0"]
CMD ["/models/photos"]
